"""What the client of registries does where Debian's registry can't be brought to: see `small_registry.py`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from jubako.errors import ConfigurationError
from jubako.oci.manifest import MANIFEST, Manifest, described, encoded
from jubako.oci.reference import parse_reference
from jubako.oci.referrers import attach, referrers
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob, send_blob
from jubako.web import Patience
from tests.counting_proxy import CountingProxy
from tests.integration.small_registry import SmallRegistry
from tests.serving import free_port

HASTY = Patience(attempts=4, first_pause_s=0.01)
CONTENT = random.Random(3).randbytes(3_000_000)
BLOB = described(CONTENT, "x/y")


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with SmallRegistry() as running:
        yield running


@pytest.fixture
def proxy(registry: SmallRegistry) -> Iterator[CountingProxy]:
    with CountingProxy(registry.port) as running:
        yield running


@pytest.fixture
def remote(proxy: CountingProxy) -> Iterator[RemoteRepository]:
    with RemoteRepository(parse_reference(f"oci+http://127.0.0.1:{proxy.port}/x"), patience=HASTY) as opened:
        yield opened


@pytest.mark.parametrize(("after", "part"), [(1_500_000, 1_000_000), (2_000_000, 10_000_000), (300_000, 1_000_000)])
def test_only_the_missing_bytes_are_sent_again(
    remote: RemoteRepository, registry: SmallRegistry, proxy: CountingProxy, after: int, part: int
) -> None:
    told: list[int] = []
    proxy.cut("up", after)
    assert send_blob(remote, BLOB, CONTENT, advance=told.append, part=part)
    assert registry.content.blobs[BLOB.digest] == CONTENT
    assert sum(told) == len(CONTENT)
    assert proxy.uploaded < len(CONTENT) + 20_000
    assert registry.content.starts[-1] > 0


def test_the_last_answer_may_be_lost(remote: RemoteRepository, registry: SmallRegistry, proxy: CountingProxy) -> None:
    send_blob(remote, described(b"first", "x/y"), b"first")
    before = proxy.downloaded
    send_blob(remote, described(b"other", "x/y"), b"other")
    answered = proxy.downloaded - before
    proxy.cut("down", answered - 20)
    send_blob(remote, described(b"third", "x/y"), b"third")
    assert list(registry.content.blobs.values()) == [b"first", b"other", b"third"]
    assert len(registry.content.uploads) == 3


def test_parts_are_as_large_as_the_registry_wants(remote: RemoteRepository, registry: SmallRegistry) -> None:
    registry.content.smallest_part = 2_000_000
    assert send_blob(remote, BLOB, CONTENT, part=1000)
    assert registry.content.starts == [0, 2_000_000]


def test_a_registry_that_keeps_nothing_is_given_up(remote: RemoteRepository, registry: SmallRegistry) -> None:
    registry.content.forgetful = True
    with pytest.raises(ConfigurationError, match=r"kept nothing of what it was sent.*4 attempts brought nothing"):
        send_blob(remote, BLOB, CONTENT, part=1_000_000)


def test_a_note_that_leads_nowhere_is_passed_over(remote: RemoteRepository, registry: SmallRegistry, tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_text(f'"http://127.0.0.1:{free_port()}/gone"')
    assert send_blob(remote, BLOB, CONTENT, note=note)
    assert registry.content.blobs[BLOB.digest] == CONTENT


def test_a_registry_that_is_busy_is_asked_again(remote: RemoteRepository, registry: SmallRegistry) -> None:
    registry.content.statuses = [429, 503]
    assert send_blob(remote, BLOB, CONTENT)
    registry.content.statuses = [503] * 4
    with pytest.raises(ConfigurationError, match=r"status 503.*4 attempts brought nothing"):
        remote.document("1")


def test_a_connection_that_always_breaks_is_given_up(remote: RemoteRepository, proxy: CountingProxy) -> None:
    def cut_again(more: int) -> None:
        proxy.cut("up", 100)

    with pytest.raises(ConfigurationError, match="4 attempts brought nothing"):
        send_blob(remote, BLOB, CONTENT, advance=cut_again)


def test_referrers_of_a_registry_that_lists_them(remote: RemoteRepository, registry: SmallRegistry) -> None:
    config = described(b"{}", "application/vnd.oci.empty.v1+json")
    push_blob(remote, config, b"{}")
    content = encoded(Manifest(media_type=MANIFEST, config=config, layers=[]))
    remote.put(content, MANIFEST, "1")
    subject = described(content, MANIFEST)
    attached = [attach(remote, subject, f"note {n}".encode(), "text/plain", annotations={"n": str(n)}) for n in range(5)]
    other = attach(remote, subject, b"<bill/>", "application/vnd.cyclonedx+xml")
    assert referrers(remote, subject.digest) == [*attached, other]
    assert referrers(remote, subject.digest, "application/vnd.cyclonedx+xml") == [other]
    assert not [name for name in registry.content.manifests if name.startswith("sha256-")]
