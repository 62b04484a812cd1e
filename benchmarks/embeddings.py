"""Embeddings a second of texts of mixed lengths: jubako's encoders beside the same model behind a plain, padding batcher.

Both are served by one server, with the same weights, threads, clients and protocol, and are measured in turns.
`python -m benchmarks.embeddings --help` lists what can vary.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.served import Served, serving
from jubako.paths import shipped

SHORTEST, LONGEST = 8, 256
SPECIAL_TOKENS = 2
WORDS = [
    "the",
    "box",
    "of",
    "rice",
    "and",
    "fish",
    "was",
    "on",
    "a",
    "table",
    "in",
    "our",
    "house",
    "when",
    "they",
    "came",
    "home",
]
"""Each is one token."""

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Turn:
    """All texts once. Latencies are those of single requests."""

    model: str
    seconds: float
    tokens_per_s: float
    texts_per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Measured:
    turn: Turn
    vectors: NDArray[np.float32]


def main() -> None:
    arguments = _arguments()
    lengths = _lengths(arguments.texts, arguments.seed)
    texts = _texts(lengths, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder, serving(_repository(Path(folder), arguments)) as served:
        measured = asyncio.run(_measure(served, texts, lengths, arguments))
    words = machine.description("bentoml", "httpx") | {"threads": str(arguments.threads)}
    turns = [each.turn for each in measured]
    apart = max(float(np.abs(each.vectors - measured[0].vectors).max()) for each in measured)
    console = Console()
    console.print(_table(turns))
    console.print(f"{len(texts)} texts of {min(lengths)} to {max(lengths)} tokens, {sum(lengths) / len(texts):.0f} in the mean")
    console.print(f"jubako / padded: {_ratio(turns):.2f} (median over pairs of turns)")
    console.print(f"the vectors of both differ by {apart:.1e} at most")
    results = {"turns": [asdict(turn) for turn in turns], "ratio": _ratio(turns), "difference": apart, "lengths": lengths}
    console.print(f"kept in {machine.write('embeddings', words, results)}", style="dim", highlight=False)
    if apart > TOLERANCE:
        sys.exit("The two do not compute the same.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.embeddings", description=__doc__)
    parser.add_argument("--texts", type=int, default=600, help="texts in a turn")
    parser.add_argument("--clients", type=int, default=64, help="requests at the same time, each with one text")
    parser.add_argument("--turns", type=int, default=4, help="turns of each, after one to warm up")
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--batch-size", type=int, default=32, help="of the padding batcher")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _lengths(count: int, seed: int) -> list[int]:
    """In tokens, most of them short: lognormal around 30."""
    drawn = np.random.default_rng(seed).lognormal(3.4, 0.8, count)
    lengths: list[int] = np.clip(drawn.astype(int), SHORTEST, LONGEST).tolist()
    return lengths


def _texts(lengths: list[int], seed: int) -> list[str]:
    generator = np.random.default_rng(seed + 1)
    return [" ".join(generator.choice(WORDS, length - SPECIAL_TOKENS)) for length in lengths]


def _repository(folder: Path, arguments: argparse.Namespace) -> Path:
    """The two entries, over the same weights and in the same environment."""
    weights = _jubako("pull", "minilm", "--repository", str(shipped("model_repository"))).split(maxsplit=1)[1]
    common = (
        f"source: file:{weights}\nenvironment: {_jubako('env', 'create', 'transformers')}\nlimits: {{max_queue_size: 4096}}\n"
    )
    jubako = f"backend: transformers\n{common}tasks: [embedding]\nengine: {{num_threads: {arguments.threads}}}\n"
    padded = f"backend: python\n{common}max_batch_size: {arguments.batch_size}\nparameters: {{threads: {arguments.threads}}}\n"
    for name, text in (("jubako", jubako), ("padded", padded)):
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "model.yaml").write_text(text)
    shutil.copy(Path(__file__).with_name("padded_encoder.py"), folder / "padded" / "1" / "model.py")
    return folder


def _jubako(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", "jubako", *command], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


async def _measure(served: Served, texts: list[str], lengths: list[int], arguments: argparse.Namespace) -> list[Measured]:
    limits = httpx.Limits(max_connections=arguments.clients)
    url = f"http://127.0.0.1:{served.port}"
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=300, trust_env=False) as client:
        for model in ("jubako", "padded"):
            await _turn(client, model, texts, lengths, arguments.clients)
        return [
            await _turn(client, model, texts, lengths, arguments.clients)
            for _ in range(arguments.turns)
            for model in ("jubako", "padded")
        ]


async def _turn(client: httpx.AsyncClient, model: str, texts: list[str], lengths: list[int], clients: int) -> Measured:
    vectors: dict[int, list[float]] = {}
    latencies: list[float] = []
    left = iter(range(len(texts)))

    async def ask() -> None:
        for index in left:
            begun = time.perf_counter()
            vectors[index] = await _embed(client, model, texts[index], rows=model == "padded")
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(clients)))
    seconds = time.perf_counter() - begun
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e3
    turn = Turn(model, seconds, sum(lengths) / seconds, len(texts) / seconds, float(p50), float(p99))
    return Measured(turn, np.array([vectors[index] for index in range(len(texts))], np.float32))


async def _embed(client: httpx.AsyncClient, model: str, text: str, *, rows: bool) -> list[float]:
    tensor = {"name": "text_input", "datatype": "BYTES", "shape": [1, 1] if rows else [1], "data": [text]}
    response = await client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})
    response.raise_for_status()
    vector: list[float] = response.json()["outputs"][0]["data"]
    return vector


def _ratio(turns: list[Turn]) -> float:
    pairs = zip(turns[::2], turns[1::2], strict=True)
    return median(jubako.tokens_per_s / padded.tokens_per_s for jubako, padded in pairs)


def _table(turns: list[Turn]) -> Table:
    table = Table("", "tokens/s", "texts/s", "p50 ms", "p99 ms", title="median over the turns")
    for model in ("jubako", "padded"):
        own = [turn for turn in turns if turn.model == model]
        figures = [median(getattr(turn, name) for turn in own) for name in ("tokens_per_s", "texts_per_s", "p50_ms", "p99_ms")]
        table.add_row(model, *(f"{figure:.0f}" for figure in figures))
    return table


if __name__ == "__main__":
    main()
