"""Shared memory is registered only if it is there, long enough, and nothing but shared memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from jubako.errors import InvalidRequest
from jubako.messages import SharedRegion
from jubako.runner.regions import Regions


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    memory = SharedMemory(create=True, size=1000)
    yield memory
    memory.close()
    memory.unlink()


def region(key: str, *, name: str = "mine", byte_size: int = 10, offset: int = 0) -> SharedRegion:
    return SharedRegion(name=name, key=key, byte_size=byte_size, offset=offset)


def test_with_or_without_the_slash_of_shm_open(memory: SharedMemory) -> None:
    regions = Regions()
    regions.register(region(memory.name, byte_size=1000))
    regions.register(region("/" + memory.name, name="other", byte_size=1, offset=999))
    assert [each.name for each in regions.all()] == ["mine", "other"]
    regions.unregister("never registered")
    regions.unregister("mine")
    assert [each.name for each in regions.all()] == ["other"]


@pytest.mark.parametrize(
    ("byte_size", "offset", "why"),
    [(1001, 0, "1000 bytes"), (1, 1000, "1000 bytes"), (0, 0, "byte_size 0"), (-5, 0, "byte_size -5"), (10, -1, "offset -1")],
)
def test_a_region_must_lie_in_its_memory(memory: SharedMemory, byte_size: int, offset: int, why: str) -> None:
    regions = Regions()
    with pytest.raises(InvalidRequest, match=why):
        regions.register(region(memory.name, byte_size=byte_size, offset=offset))
    assert regions.all() == []


def test_a_name_is_taken_once(memory: SharedMemory) -> None:
    regions = Regions()
    regions.register(region(memory.name))
    with pytest.raises(InvalidRequest, match="registered already"):
        regions.register(region(memory.name, byte_size=20))
    regions.unregister(None)
    regions.register(region(memory.name, byte_size=20))


@pytest.mark.parametrize(
    "key", ["", "/", ".", "..", "/..", "a/b", "/../etc/passwd", "//etc", "with\0nul", "x" * 300, "nobody-has-this"]
)
def test_a_key_is_the_plain_name_of_shared_memory_that_exists(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Regions().register(region(key))
    assert caught.value.param == "key"


def test_neither_links_nor_folders_nor_pipes_are_shared_memory(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("something of the server's")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    regions = Regions(tmp_path)
    for key in ("link", "folder", "pipe"):
        with pytest.raises(InvalidRequest):
            regions.register(region(key, byte_size=1))
    regions.register(region("secret", byte_size=1))
