"""The rows of a comparison with other servers: a run goes on where it was, and mixes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.journal import Journal, Key, OtherRun
from benchmarks.peers.tables import cells

MACHINE = {"processor": "a fast one", "jubako": "1.0", "commit": "aaa"}


def key(peer: str = "jubako", repetition: int = 1) -> Key:
    return Key("load", "W0", peer, "http", "32", repetition)


def row(rate: float) -> dict[str, float]:
    return {"requests_per_s": rate, "failed": 0, "clean": True}


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "run.jsonl"
    first = Journal(file)
    first.begin(MACHINE)
    first.write(key(), row(1000.0))
    again = Journal(file)
    again.begin(MACHINE)
    assert again.has(key())
    assert not again.has(key(repetition=2))
    assert again.description == MACHINE


def test_what_failed_is_measured_again_and_then_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.jsonl")
    journal.write(key(), {"error": "it did not start"})
    assert not Journal(journal.file).has(key())
    assert len(journal.rows("load")) == 1
    journal.write(key(), row(1000.0))
    assert ["error" in each for each in Journal(journal.file).rows("load")] == [False]


def test_figures_of_another_version_are_not_mixed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.jsonl")
    journal.begin(MACHINE)
    with pytest.raises(OtherRun, match=r"jubako 1\.0, and this is 2\.0"):
        Journal(journal.file).begin({**MACHINE, "jubako": "2.0"})


def test_every_commit_and_every_peer_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.jsonl")
    journal.begin(MACHINE)
    for _ in range(2):
        Journal(journal.file).begin({**MACHINE, "commit": "bbb", "triton": "2.51"})
    assert Journal(journal.file).description == {**MACHINE, "commit": "aaa, then bbb", "triton": "2.51"}


def test_a_cell_is_the_median_of_its_repetitions(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.jsonl")
    for repetition, rate in enumerate((900.0, 1000.0, 5000.0), 1):
        journal.write(key(repetition=repetition), row(rate))
    journal.write(key("triton"), row(800.0))
    assert [(cell.peer, cell.requests_per_s) for cell in cells(journal, "load")] == [("jubako", 1000.0), ("triton", 800.0)]
