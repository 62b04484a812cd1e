"""Many streams at once, some of which are left early, for minutes; and what has stayed behind when they are over."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil
from jubako_client import AsyncClient, JubakoError

from benchmarks.served import name_of

MIB = 2**20
MORE_DESCRIPTORS = 8
"""So many more than before are no leak: a log file, a connection of a moment ago."""
MORE_MEMORY = 0.25
MORE_MEMORY_MIB = 32.0
"""Nor is so much more memory, by share or at all: allocators keep what was needed at once."""

_GAUGE = re.compile(r"^(jubako_requests_(?:running|queued|in_flight))\{(.*)\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Load:
    """
    Attributes:
        model: The model that is asked.
        streams: How many are open at any time.
        cancelled: The share of them that are left before their end, at random places.
        words: The most words of a prompt; each has a random number of them.
    """

    model: str
    streams: int = 200
    cancelled: float = 0.2
    words: int = 120
    max_tokens: int = 120
    seed: int = 0


@dataclass
class Outcome:
    """How the streams ended.

    Attributes:
        errors: How many failed, by the kind of error.
    """

    whole: int = 0
    left: int = 0
    tokens: int = 0
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """One process."""

    name: str
    pid: int
    rss_mib: float
    descriptors: int
    threads: int


async def soak(target: str, load: Load, seconds: float) -> Outcome:
    """Keep the streams of `load` open for so long, over one connection. Those that are open then are read to their end."""
    outcome = Outcome()
    until = time.monotonic() + seconds
    async with AsyncClient(target, retries=0) as client:
        await asyncio.gather(*(_keep_asking(client, load, number, until, outcome) for number in range(load.streams)))
    return outcome


async def _keep_asking(client: AsyncClient, load: Load, number: int, until: float, outcome: Outcome) -> None:
    chance = random.Random(f"{load.seed} {number}")
    while time.monotonic() < until:
        prompt = " ".join(f"word{chance.randrange(1000)}" for _ in range(chance.randint(1, load.words)))
        # After so many pieces; none is while the request waits, or has only just come.
        leave_after = chance.randrange(load.max_tokens // 2) if chance.random() < load.cancelled else None
        try:
            await _ask(client, load, prompt, leave_after, outcome)
        except JubakoError as error:
            kind = type(error).__name__
            outcome.errors[kind] = outcome.errors.get(kind, 0) + 1


async def _ask(client: AsyncClient, load: Load, prompt: str, leave_after: int | None, outcome: Outcome) -> None:
    pieces = 0
    async with await client.chat(load.model, prompt, stream=True, max_tokens=load.max_tokens) as stream:
        while leave_after is None or pieces < leave_after:
            if await anext(stream, None) is None:
                outcome.whole += 1
                outcome.tokens += stream.answer.usage.completion_tokens
                return
            pieces += 1
    outcome.left += 1


def usages(processes: Iterable[psutil.Process]) -> list[Usage]:
    return [
        Usage(name_of(each), each.pid, each.memory_info().rss / MIB, each.num_fds(), each.num_threads()) for each in processes
    ]


def leaks(before: list[Usage], after: list[Usage]) -> list[str]:
    """What has stayed behind, in sentences; nothing if all is well."""
    found = []
    if [each.pid for each in before] != [each.pid for each in after]:
        found.append(f"The processes are not the same: {_pids(before)} before, {_pids(after)} after.")
    for old, new in zip(before, after, strict=False):
        if new.descriptors > old.descriptors + MORE_DESCRIPTORS:
            found.append(f"The {new.name} had {old.descriptors} descriptors open and has {new.descriptors}.")
        if new.rss_mib > old.rss_mib + max(old.rss_mib * MORE_MEMORY, MORE_MEMORY_MIB):
            found.append(f"The {new.name} had {old.rss_mib:.0f} MiB of memory and has {new.rss_mib:.0f}.")
    return found


def stuck(metrics: str) -> list[str]:
    """The requests that a page of metrics still counts, in sentences; nothing if all is well."""
    gauges = _GAUGE.findall(metrics)
    return [f"{name}{{{labels}}} is {value}." for name, labels, value in gauges if float(value)] or (
        [] if gauges else ["The metrics do not say how many requests there are."]
    )


def _pids(given: list[Usage]) -> str:
    return ", ".join(f"{each.name} {each.pid}" for each in given)
