"""What a soak finds, and what it lets pass."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.grpc.soak import Usage, leaks, stuck

BEFORE = Usage("instance", pid=7, rss_mib=100.0, descriptors=20, threads=4)


def test_a_little_more_is_no_leak() -> None:
    assert leaks([BEFORE], [replace(BEFORE, rss_mib=130.0, descriptors=25, threads=9)]) == []


def test_memory_descriptors_and_restarts_are_found() -> None:
    assert leaks([BEFORE], [replace(BEFORE, rss_mib=140.0)]) == ["The instance had 100 MiB of memory and has 140."]
    assert leaks([BEFORE], [replace(BEFORE, descriptors=220)]) == ["The instance had 20 descriptors open and has 220."]
    assert leaks([BEFORE], [replace(BEFORE, pid=8)]) == ["The processes are not the same: instance 7 before, instance 8 after."]
    assert leaks([BEFORE], []) == ["The processes are not the same: instance 7 before,  after."]


def test_requests_that_are_still_counted_are_found() -> None:
    page = 'jubako_requests_running{model="echo",version="1"} 0.0\njubako_requests_queued{model="echo",version="1"} %s\n'
    assert stuck(page % "0.0") == []
    assert stuck(page % "2.0") == ['jubako_requests_queued{model="echo",version="1"} is 2.0.']
    assert stuck("") == ["The metrics do not say how many requests there are."]
