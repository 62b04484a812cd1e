"""The rows of a run as tables. Medians over the repetitions; ratios of medians within the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

from rich.table import Table

from benchmarks.peers.journal import Journal, Row
from benchmarks.peers.known import PEERS
from benchmarks.peers.known.jubako import JUBAKO
from benchmarks.peers.workloads import WORKLOADS

ORDER = list(PEERS)


@dataclass(frozen=True)
class Cell:
    """One load on one front of one server: what its repetitions gave."""

    workload: str
    peer: str
    front: str
    how: str
    rows: list[dict[str, Any]]

    def median(self, *path: str) -> float:
        return median(self.values(*path))

    def values(self, *path: str) -> list[float]:
        return [_within(row, path) for row in self.rows]

    @property
    def requests_per_s(self) -> float:
        return self.median("requests_per_s")

    @property
    def failed(self) -> int:
        return sum(row["failed"] for row in self.rows)

    @property
    def clean(self) -> int:
        return sum(row["clean"] for row in self.rows)


def cells(journal: Journal, measurement: str) -> list[Cell]:
    """By workload, front, load, and the servers in the order of their declaration."""
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in journal.rows(measurement):
        if "error" not in row:
            place = (str(row["workload"]), str(row["peer"]), str(row["front"]), str(row["how"]))
            found.setdefault(place, []).append(row)
    made = [Cell(*place, cast("list[dict[str, Any]]", rows)) for place, rows in found.items()]
    return sorted(made, key=lambda cell: (cell.workload, cell.front, _number(cell.how), ORDER.index(cell.peer)))


def tables(journal: Journal) -> Iterator[Table]:
    """All that there are rows for."""
    for measurement, title in (("load", "one core"), ("cores", "two of everything, all cores, not pinned")):
        of_all = cells(journal, measurement)
        for key, workload in WORKLOADS.items():
            if of_workload := [cell for cell in of_all if cell.workload == key]:
                yield _loads(of_workload, f"{key} {workload.title}: {title}")
    yield from _some(_loads, cells(journal, "open"), "W2, Poisson arrivals, one core")
    yield from _some(_memory, cells(journal, "load"), "Memory of all processes, and seconds from start to the first answer")
    yield from _some(_burst, cells(journal, "burst"), "The same server at 1, 32, then 1 connections: requests/s")
    yield from _some(_endurance, cells(journal, "endurance"), "What all processes hold before and after so many requests")
    yield from _some(_large, cells(journal, "large"), "Peak memory of a 64 MiB tensor, in and out, in tensors")
    for cell in cells(journal, "inputs"):
        yield _inputs(cell)
    if failures := [row for name in _measurements(journal) for row in journal.rows(name) if "error" in row]:
        yield _failures(failures)


def _some(make: Any, found: list[Cell], title: str) -> Iterator[Table]:
    if found:
        yield make(found, title)


def _table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in left:
        table.add_column(column, no_wrap=True)
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _loads(found: list[Cell], title: str) -> Table:
    numbers = ("jubako/it", "p50 ms", "p99 ms", "p99/p50", "failed", "server", "load", "clean")
    table = _table(title, ("server", "front", "load"), ("requests/s", *numbers))
    ours = {(cell.front, cell.how): cell.requests_per_s for cell in found if cell.peer == JUBAKO.name}
    section = None
    for cell in found:
        if section not in (None, (cell.front, cell.how)):
            table.add_section()
        section = (cell.front, cell.how)
        rates = cell.values("requests_per_s")
        p50, p99 = cell.median("p50_ms"), cell.median("p99_ms")
        ratio = ours[section] / cell.requests_per_s if section in ours and cell.requests_per_s else None
        table.add_row(
            cell.peer,
            cell.front,
            cell.how if "/" in cell.how else f"c={cell.how}",
            f"{median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})",
            f"{ratio:.2f}" if ratio and cell.peer != JUBAKO.name else "",
            f"{p50:.2f}",
            f"{p99:.2f}",
            f"{p99 / p50:.1f}" if p50 else "",
            str(cell.failed),
            f"{cell.median('cores', 'server'):.2f}",
            f"{cell.median('cores', 'generator'):.2f}",
            f"{cell.clean} of {len(cell.rows)}",
            style="bold" if cell.peer == JUBAKO.name else None,
        )
    return table


def _memory(found: list[Cell], title: str) -> Table:
    table = _table(title, ("server", "model"), ("PSS MiB", "RSS MiB", "most PSS", "most RSS", "processes", "ready s", "starts"))
    by_server: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in found:
        by_server.setdefault((cell.workload, cell.peer), []).extend(cell.rows)
    for (workload, peer), rows in sorted(by_server.items(), key=lambda each: (each[0][0], ORDER.index(each[0][1]))):
        starts = {row["repetition"]: row["ready_s"] for row in rows}
        first = {row["repetition"]: row["memory_before"] for row in reversed(rows)}
        table.add_row(
            peer,
            workload,
            f"{median(each['pss_mib'] for each in first.values()):.0f}",
            f"{median(each['rss_mib'] for each in first.values()):.0f}",
            str(max(row["memory"]["pss_mib"] for row in rows)),
            str(max(row["memory"]["rss_mib"] for row in rows)),
            str(rows[-1]["memory"]["processes"]),
            f"{median(starts.values()):.2f}",
            str(len(starts)),
        )
    return table


def _burst(found: list[Cell], title: str) -> Table:
    steps = ("before", "burst", "after")
    table = _table(title, ("server", "model"), (*steps, "after/before", "p99 ms before", "in it", "after", "failed"))
    for cell in found:
        rates = [cell.median(f"{step}_requests_per_s") for step in steps]
        table.add_row(
            cell.peer,
            cell.workload,
            *(f"{rate:,.0f}" for rate in rates),
            f"{rates[2] / rates[0]:.2f}" if rates[0] else "",
            *(f"{cell.median(f'{step}_p99_ms'):.1f}" for step in steps),
            str(cell.failed),
        )
    return table


def _endurance(found: list[Cell], title: str) -> Table:
    holdings = {"RSS MiB": "rss_mib", "PSS MiB": "pss_mib", "descriptors": "descriptors", "threads": "threads"}
    table = _table(title, ("server", "front"), ("requests", *holdings, "processes", "failed"))
    for cell in found:
        row = cell.rows[-1]
        table.add_row(
            cell.peer,
            cell.front,
            f"{row['requests']:,}",
            *(f"{row['before'][field]} → {row['after'][field]}" for field in (*holdings.values(), "processes")),
            str(cell.failed),
        )
    return table


def _large(found: list[Cell], title: str) -> Table:
    table = _table(title, ("server", "front", "how", "each process"), ("together",))
    for cell in found:
        row = cell.rows[-1]
        each = ", ".join(f"{name} {peak}" for name, peak in row["peak_tensors"].items() if peak >= 0.01)
        table.add_row(cell.peer, cell.front, cell.how, each, str(row["peak_tensors_together"]))
    return table


def _inputs(cell: Cell) -> Table:
    table = Table(title=f"{cell.peer}: wrong requests, clients that leave, SIGTERM", title_justify="left")
    table.add_column("what came", no_wrap=True)
    table.add_column("what the server did")
    for what, answer in _lines(cell.rows[-1]["found"]):
        table.add_row(what, answer)
    return table


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for what, answer in found.items():
        if isinstance(answer, dict):
            yield from ((f"{what}: {inner}", str(said)) for inner, said in answer.items())
        else:
            yield what, str(answer)


def _failures(rows: list[Row]) -> Table:
    table = _table("Could not be measured", ("measurement", "model", "server"), ())
    table.add_column("front and load")
    table.add_column("why")
    places: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        why = str(row["error"]).partition("\n")[0][:200]
        place = (str(row["measurement"]), str(row["workload"]), str(row["peer"]), why)
        places.setdefault(place, []).append(f"{row['front']} {row['how']}")
    for (measurement, workload, peer, why), loads in places.items():
        table.add_row(measurement, workload, peer, ", ".join(dict.fromkeys(loads)), why)
    return table


def _measurements(journal: Journal) -> list[str]:
    return ["load", "open", "burst", "cores", "endurance", "large", "inputs"]


def _within(row: dict[str, Any], path: tuple[str, ...]) -> float:
    value: Any = row
    for name in path:
        value = value[name]
    return float(value)


def _number(how: str) -> float:
    digits = how.removesuffix("/s")
    return float(digits) if digits.isdigit() else 0.0
