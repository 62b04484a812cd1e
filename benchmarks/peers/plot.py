"""Requests a second of every server, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.journal import Journal
from benchmarks.peers.known.jubako import JUBAKO
from benchmarks.peers.tables import Cell, cells
from benchmarks.peers.workloads import WORKLOADS

OURS, THEIRS = "#c0392b", "#7f8c8d"
INCHES_A_BAR = 0.32


class NoMatplotlib(Exception):
    """There is no matplotlib; the message says how to get it."""


def plot(journal: Journal, connections: int, file: Path) -> None:
    """Bars at so many connections, a picture a workload; the format is the file's ending.

    Raises:
        NoMatplotlib: it is not installed.
        ValueError: there are no rows at so many connections.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # only a plot needs it
    except ImportError:
        raise NoMatplotlib("Plots need matplotlib: uv pip install matplotlib") from None
    found = [cell for cell in cells(journal, "load") if cell.how == str(connections)]
    if not found:
        raise ValueError(f"{journal.file} has no figures at {connections} connections.")
    keys = [key for key in WORKLOADS if any(cell.workload == key for cell in found)]
    bars = [[cell for cell in found if cell.workload == key] for key in keys]
    height = sum(len(each) for each in bars) * INCHES_A_BAR + 1.2 * len(keys) + 0.6
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots(len(keys), 1, squeeze=False, height_ratios=[len(each) + 1 for each in bars])
    for axis, key, of_workload in zip(axes[:, 0], keys, bars, strict=True):
        _bars(axis, f"{key} {WORKLOADS[key].title}", of_workload)
    words = journal.description
    figure.supxlabel(
        f"requests/s at {connections} connections; {words['processor']}, {words['pinned']}; jubako {words['jubako']}", fontsize=8
    )
    figure.savefig(file)


def _bars(axis: Any, title: str, found: list[Cell]) -> None:
    ordered = sorted(found, key=lambda cell: cell.requests_per_s)
    colours = [OURS if cell.peer == JUBAKO.name else THEIRS for cell in ordered]
    drawn = axis.barh(
        [f"{cell.peer}, {cell.front}" for cell in ordered], [cell.requests_per_s for cell in ordered], color=colours
    )
    axis.bar_label(drawn, labels=[f"{cell.requests_per_s:,.0f}" for cell in ordered], padding=3, fontsize=8)
    axis.set_title(title, loc="left", fontsize=10)
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
