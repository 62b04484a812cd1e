"""Throughput and latency over the number of streams, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from jubako.bench.report import Level
from jubako.errors import ConfigurationError

SUFFIXES = (".png", ".svg")

_PANELS: list[tuple[str, Callable[[Level], float | None], Callable[[Level], float | None] | None]] = [
    ("tokens/s, all streams", lambda level: level.tokens_per_s, None),
    ("tokens/s, each stream", lambda level: level.stream_tokens_per_s, None),
    ("time to first token, ms", lambda level: level.first_p50_ms, lambda level: level.first_p99_ms),
    ("time between tokens, ms", lambda level: level.gap_p50_ms, lambda level: level.gap_p99_ms),
]
"""Title, the line, and a second one, dashed: p50 and p99 where there are both."""


def check_plot(file: Path) -> None:
    """Whether :func:`draw` will be able to, to be asked before a long run.

    Raises:
        ConfigurationError: it will not; the sentence says what to do.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"A plot is drawn as PNG or SVG: let the name {file.name!r} end with .png or .svg.")
    if not file.absolute().parent.is_dir():
        raise ConfigurationError(f"There is no folder {file.absolute().parent} for the plot.")
    if find_spec("matplotlib") is None:
        raise ConfigurationError('Drawing needs matplotlib. Install it with: pip install "jubako[plot]"')


def draw(levels: Sequence[Level], file: Path, title: str) -> None:
    """Write the picture, with a line for each target."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    figure.suptitle(title)
    for axes, (name, line, second) in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
        for target in dict.fromkeys(level.target for level in levels):
            of_target = sorted((level for level in levels if level.target == target), key=lambda level: level.streams)
            streams = [level.streams for level in of_target]
            (drawn,) = axes.plot(streams, [_number(line(level)) for level in of_target], marker="o", label=target)
            if second is not None:
                values = [_number(second(level)) for level in of_target]
                axes.plot(streams, values, linestyle="--", alpha=0.6, color=drawn.get_color())
        axes.set_title(name if second is None else f"{name}: p50, dashed p99", fontsize="medium")
        axes.set_xlabel("streams at once")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(file, dpi=120)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
