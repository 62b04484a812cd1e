"""The private folder of a runner's sockets."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jubako.runner.sockets import LONGEST_PATH, SocketFolder


def test_the_folder_is_private_and_its_sockets_take_connections(tmp_path: Path) -> None:
    with SocketFolder(tmp_path) as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        path, listening = folder.listen()
        other_path, other = folder.listen()
        assert path != other_path
        with listening, other, socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        folder.forget(path)
        assert not Path(path).exists()
        assert Path(other_path).exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_runner_left_is_removed_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from jubako.runner.sockets import SocketFolder
folder = SocketFolder(Path({str(tmp_path)!r}))
folder.listen()
print(folder.path, flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with SocketFolder(tmp_path):
            assert theirs.exists()
        other.kill()
    assert theirs.exists()
    unrelated = tmp_path / "jubako-notes-1"
    unrelated.mkdir()
    with SocketFolder(tmp_path):
        assert not theirs.exists()
        assert unrelated.exists()


def test_one_that_is_being_made_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def another_starts_before(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        SocketFolder(tmp_path).remove()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", another_starts_before)
    with SocketFolder(tmp_path) as folder:
        path, listening = folder.listen()
        listening.close()
        assert Path(path).exists()


def test_paths_are_short_even_where_the_temporary_folder_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with SocketFolder() as folder:
        path, listening = folder.listen()
        listening.close()
        assert len(os.fsencode(path)) <= LONGEST_PATH
