"""What the samples of a run come to."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

from msgspec import Struct

from jubako.bench.load import Schedule, Turn
from jubako.bench.sample import Sample
from jubako.bench.target import Asking


class Level(Struct, frozen=True, kw_only=True):
    """One target at one number of streams, over all rounds. None where there is nothing to compute it from.

    Attributes:
        target: The target's label.
        requests: How many were answered in full.
        errors: How many were not, by what went wrong.
        stream_tokens_per_s: Tokens of an answer by the seconds from its request to its end; the mean over the answers.
        tokens_per_s: Tokens of all answers, by the seconds that the rounds took.
        tokens_per_s_rounds: The same for each round.
        first_p50_ms: From a request to its first text; half of the requests were at least as fast.
        gap_p50_ms: Between one piece of text and the next of the same stream.
        tokens_a_piece: How many tokens came in one piece of text, on average.
        counted: Whether the server counted the tokens; if not, pieces of text are counted instead.
    """

    target: str
    streams: int
    requests: int
    errors: dict[str, int]
    stream_tokens_per_s: float | None
    tokens_per_s: float
    tokens_per_s_rounds: list[float]
    requests_per_s: float
    first_p50_ms: float | None
    first_p99_ms: float | None
    gap_p50_ms: float | None
    gap_p99_ms: float | None
    prompt_tokens: float | None
    completion_tokens: float | None
    tokens_a_piece: float | None
    counted: bool

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Level:
        """What `turns`, at least one, of one target at one level come to."""
        samples = [sample for turn in turns for sample in turn.samples]
        good = [sample for sample in samples if not sample.error]
        seconds = sum(turn.seconds for turn in turns)
        firsts = sorted(1000 * sample.first_s for sample in good if sample.first_s is not None)
        gaps = sorted(1000 * gap for sample in good for gap in sample.gaps_s)
        prompts = [sample.prompt_tokens for sample in good if sample.prompt_tokens is not None]
        tokens, pieces = sum(sample.tokens for sample in good), len(gaps) + len(firsts)
        return cls(
            target=turns[0].target.target.label,
            streams=turns[0].level,
            requests=len(good),
            errors=dict(Counter(sample.error for sample in samples if sample.error).most_common()),
            stream_tokens_per_s=fmean(sample.tokens / sample.seconds for sample in good) if good else None,
            tokens_per_s=tokens / seconds,
            tokens_per_s_rounds=[_tokens(turn.samples) / turn.seconds for turn in turns],
            requests_per_s=len(good) / seconds,
            first_p50_ms=percentile(firsts, 50),
            first_p99_ms=percentile(firsts, 99),
            gap_p50_ms=percentile(gaps, 50),
            gap_p99_ms=percentile(gaps, 99),
            prompt_tokens=fmean(prompts) if prompts else None,
            completion_tokens=tokens / len(good) if good else None,
            tokens_a_piece=tokens / pieces if pieces else None,
            counted=all(sample.counted for sample in good),
        )


class Report(Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        time: When it began, in ISO 8601.
        machine: What it was taken on, in words; the client's machine, which need not be the server's.
        complete: Whether all was done; not if it was interrupted.
        notes: What must be known to read the figures, in sentences.
    """

    time: str
    machine: dict[str, str]
    targets: list[dict[str, str]]
    asking: Asking
    schedule: Schedule
    complete: bool
    notes: list[str]
    levels: list[Level]


def levels_of(turns: Sequence[Turn]) -> list[Level]:
    """A level for each target and number of streams, in the order of the first turns."""
    groups: dict[tuple[int, str], list[Turn]] = {}
    for turn in turns:
        groups.setdefault((turn.level, turn.target.target.label), []).append(turn)
    return [Level.of(group) for group in groups.values()]


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest of the values, sorted upwards, that `percent` of them do not exceed; None of no values."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * int(percent) // 100) - 1)]


def notes_of(turns: Sequence[Turn], levels: Sequence[Level]) -> list[str]:
    """What must be known to read the figures."""
    notes = []
    probed = {turn.target.target.label: turn.target for turn in turns}
    for label, target in probed.items():
        own = [level for level in levels if level.target == label]
        most = max((level.tokens_a_piece or 0.0 for level in own), default=0.0)
        if not target.runs_full_length:
            notes.append(f"{label} does not take ignore_eos, so its answers end where it likes.")
        if not all(level.counted for level in own):
            notes.append(f"{label} does not count its tokens; pieces of text are counted in their place.")
        if most > 1.5:
            notes.append(f"{label} sends up to {most:.1f} tokens at once, on average: the times between are those of pieces.")
    return notes


def machine() -> dict[str, str]:
    """This machine and the versions, in words."""
    words = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    return words | {"jubako": version("jubako")}


def _tokens(samples: Sequence[Sample]) -> int:
    return sum(sample.tokens for sample in samples if not sample.error)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
