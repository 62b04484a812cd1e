"""`jubako bench`: how fast models answer many streams at once, on any server of OpenAI's chat API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from jubako.bench.load import Counted, Schedule, Turn, put
from jubako.bench.plot import check_plot, draw
from jubako.bench.report import Level, Report, levels_of, machine, notes_of
from jubako.bench.target import Asking, Probed, Target
from jubako.cli.chat import INTERRUPTED, url_of_settings
from jubako.cli.client import key_in, key_of_environment
from jubako.cli.terminal import FAILED, USAGE, complain, err, out, remark, sentences
from jubako.errors import ConfigurationError

LEVELS = "1,2,4,8,16,25,36"


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL[@URL]]...", show_default=False, help="Default: the first that chats, of each server."),
    ] = None,
    *,
    url: Annotated[
        list[str] | None,
        typer.Option(help="A server; may be repeated. Default: where `jubako serve` listens by your settings."),
    ] = None,
    concurrency: Annotated[
        str, typer.Option(metavar="NUMBERS", help="How many streams run at once, one after the other.")
    ] = LEVELS,
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Length of each prompt, as near as words allow.")] = 64,
    max_tokens: Annotated[int, typer.Option(min=1, help="Length of each answer.")] = 64,
    requests: Annotated[
        int | None,
        typer.Option(min=1, help="For each model, level and round. Default: twice the streams.", show_default=False),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="SECONDS", help="For each model, level and round, in place of --requests.", show_default=False
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often the models take turns at each level.")] = 2,
    warmup: Annotated[int, typer.Option(min=0, help="Requests to each model that do not count.")] = 4,
    temperature: Annotated[float, typer.Option(min=0, help="Of all requests.")] = 0.0,
    shared_prefix: Annotated[
        int, typer.Option(min=0, metavar="TOKENS", help="So many tokens at the beginning are the same in all prompts.")
    ] = 0,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="A request that takes longer is an error.")] = 300.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures here.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw them here: a .png or an .svg file.", show_default=False)
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The environment variable that holds the servers' API key. Default: JUBAKO_API_KEY, if it is set.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure how fast models answer many streams at once.

    Any server of OpenAI's chat API will do. Several models, or servers, take turns, so that what disturbs the machine meets all
    alike. No two prompts are alike, unless --shared-prefix says so. Ctrl-C ends the run and shows what there is.
    """
    with sentences(USAGE):
        schedule = Schedule(levels=_levels(concurrency), rounds=rounds, requests=requests, duration_s=duration, warmup=warmup)
        if requests is not None and duration is not None:
            raise ConfigurationError("Say --requests or --duration, not both.")
        asking = Asking(
            prompt_tokens=prompt_tokens,
            max_tokens=max_tokens,
            temperature=temperature,
            shared_prefix=shared_prefix,
            timeout_s=timeout,
            seed=int.from_bytes(os.urandom(4)),
        )
        key = key_in(api_key_env) if api_key_env is not None else key_of_environment()
        if plot is not None:
            check_plot(plot)
        if json_file is not None and not json_file.absolute().parent.is_dir():
            raise ConfigurationError(f"There is no folder {json_file.absolute().parent} for the figures.")
    run = _Run(schedule, asking)
    with sentences(FAILED):
        uvloop.run(run.measure(models or [], url or [], key))
    report = run.report()
    out.print(_table(report.levels))
    for note in report.notes:
        remark(note)
    for level in report.levels:
        for what, number in level.errors.items():
            complain(
                f"{level.target}, {level.streams} at once: {number} of {level.requests + sum(level.errors.values())}: {what}"
            )
    _keep(report, json_file, plot)
    if not report.complete:
        raise typer.Exit(INTERRUPTED)
    if any(level.errors for level in report.levels):
        raise typer.Exit(FAILED)


class _Run:
    """One run, and what has come of it so far."""

    def __init__(self, schedule: Schedule, asking: Asking) -> None:
        self._schedule = schedule
        self._asking = asking
        self._begun = datetime.now(UTC)
        self._targets: list[Target] = []
        self._turns: list[Turn] = []
        self._complete = False

    async def measure(self, models: Sequence[str], urls: Sequence[str], key: str) -> None:
        """Do all of the schedule, or as much as there is time for until Ctrl-C.

        Raises:
            JubakoError: a model does not answer at all.
        """
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            self._targets = await _targets(models, urls, key)
            probed = [await target.probe(self._asking) for target in self._targets]
            await self._put(probed)
            self._complete = True

    async def _put(self, probed: list[Probed]) -> None:
        turns = len(probed) * self._schedule.rounds * len(self._schedule.levels)
        with _progress(err, turns) as (one_turn, one_request):
            async with contextlib.aclosing(put(probed, self._schedule, self._asking, one_request)) as done:
                async for turn in done:
                    self._turns.append(turn)
                    one_turn()
                    if not err.is_terminal:
                        label = turn.target.target.label
                        err.print(Text(f"{label}: {turn.level} at once, round {turn.round + 1}, took {turn.seconds:.1f} s"))

    def report(self) -> Report:
        levels = levels_of(self._turns)
        return Report(
            time=self._begun.isoformat(timespec="seconds"),
            machine=machine(),
            targets=[
                {"label": target.label, "model": target.model, "url": _without_user(target.url)} for target in self._targets
            ],
            asking=self._asking,
            schedule=self._schedule,
            complete=self._complete,
            notes=notes_of(self._turns, levels),
            levels=levels,
        )


async def _targets(models: Sequence[str], urls: Sequence[str], key: str) -> list[Target]:
    """Each model on the server that it names, or on every one of `urls`.

    Raises:
        ConfigurationError: two of them are the same, or an address is none.
    """
    asked: list[tuple[str, str]] = []
    for named in models:
        model, _, own = named.rpartition("@") if "@http" in named else (named, "", "")
        asked += [(model, own)] if own else [(model, each) for each in urls or [url_of_settings()]]
    if not models:
        for each in urls or [url_of_settings()]:
            asked.append((await Target(label=each, model="", url=each, key=key).first_model(), each))
    if len(set(asked)) < len(asked):
        raise ConfigurationError("A model is named twice on the same server.")
    several = len({url for _, url in asked}) > 1
    return [
        Target(label=f"{model} @ {urlsplit(url).netloc.rpartition('@')[2]}" if several else model, model=model, url=url, key=key)
        for model, url in asked
    ]


def _levels(text: str) -> list[int]:
    levels = [int(each) if each.strip().isdecimal() else 0 for each in text.split(",")]
    if min(levels) < 1 or len(set(levels)) < len(levels):
        raise ConfigurationError(f"--concurrency is {text!r}; it must be different numbers from 1, such as {LEVELS}.")
    return levels


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


@contextlib.contextmanager
def _progress(console: Console, turns: int) -> Iterator[tuple[Counted, Counted]]:
    """What is to be called when a turn and when a request is over."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("turns, {task.fields[requests]} requests", markup=False),
        TimeElapsedColumn(),
    )
    # Few redraws: they take time from what is measured.
    with Progress(*columns, console=console, refresh_per_second=2, disable=not console.is_terminal) as bars:
        task = bars.add_task("measuring", total=turns, requests=0)
        requests = 0

        def one_request() -> None:
            nonlocal requests
            requests += 1
            bars.update(task, requests=requests)

        yield (lambda: bars.advance(task)), one_request


def _table(levels: Sequence[Level]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    several = len({level.target for level in levels}) > 1
    for column in [
        *(["MODEL"] if several else []),
        "STREAMS",
        "TOKENS/S EACH",
        "TOKENS/S ALL",
        "FIRST p50",
        "p99 ms",
        "BETWEEN p50",
        "p99 ms",
        "REQUESTS/S",
        "REQUESTS",
        "ERRORS",
    ]:
        table.add_column(column, justify="left" if column == "MODEL" else "right")
    for level in levels:
        failed = sum(level.errors.values())
        table.add_row(
            *([level.target] if several else []),
            str(level.streams),
            _number(level.stream_tokens_per_s),
            _number(level.tokens_per_s),
            _number(level.first_p50_ms),
            _number(level.first_p99_ms),
            _number(level.gap_p50_ms),
            _number(level.gap_p99_ms),
            f"{level.requests_per_s:.2f}",
            str(level.requests),
            Text(str(failed), "red" if failed else ""),
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _keep(report: Report, json_file: Path | None, plot: Path | None) -> None:
    with sentences(FAILED):
        try:
            if json_file is not None:
                json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
            if plot is not None and report.levels:
                asking = report.asking
                draw(report.levels, plot, f"{asking.prompt_tokens} tokens in, {asking.max_tokens} out, streamed")
        except OSError as error:
            raise ConfigurationError(f"The file {error.filename} can't be written: {error.strerror}.") from None
