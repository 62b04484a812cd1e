"""``python -m benchmarks.batching_sim [--plot FILE]``"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.batching_sim.models import Model
from benchmarks.batching_sim.optimum import greatest_throughput, least_mean_latency
from benchmarks.batching_sim.policies import every_policy
from benchmarks.batching_sim.simulation import Outcome, simulate
from benchmarks.batching_sim.traffic import Bursty, ClosedLoop, Poisson, Traffic

MAX_ROWS = 32
SECONDS = 4.0
BOUND_OVER = 1500

FLAT = Model("5 ms, whatever the batch", 0.005)
LINEAR = Model("2 ms + 0.1 ms a row", 0.002, 0.0001)
NOISY = Model("5 ms, noisy", 0.005, noise=0.15)
STALLING = Model("5 ms, 1 of 200 takes 50 ms more", 0.005, stall_every=200)

TRAFFIC: list[tuple[Model, Callable[[], Traffic]]] = [
    (FLAT, lambda: ClosedLoop(1, SECONDS)),
    (FLAT, lambda: ClosedLoop(32, SECONDS)),
    (FLAT, lambda: ClosedLoop(40, SECONDS)),
    (FLAT, lambda: ClosedLoop(128, SECONDS)),
    (FLAT, lambda: ClosedLoop((1, 32, 1), SECONDS)),
    (FLAT, lambda: ClosedLoop(32, SECONDS, think=0.002)),
    (FLAT, lambda: ClosedLoop(32, SECONDS, think=0.02)),
    (FLAT, lambda: Poisson(400, SECONDS)),
    (FLAT, lambda: Poisson(1000, SECONDS)),
    (FLAT, lambda: Poisson(2345, SECONDS)),
    (FLAT, lambda: Poisson(4220, SECONDS)),
    (FLAT, lambda: Bursty(300, 4500, 0.05, SECONDS)),
    (LINEAR, lambda: ClosedLoop(32, SECONDS)),
    (LINEAR, lambda: Poisson(3000, SECONDS)),
    (NOISY, lambda: ClosedLoop(32, SECONDS)),
    (NOISY, lambda: Poisson(4220, SECONDS)),
    (STALLING, lambda: ClosedLoop(32, SECONDS)),
    (STALLING, lambda: Poisson(2345, SECONDS)),
]


def compare(model: Model, make: Callable[[], Traffic]) -> list[Outcome]:
    """What every policy makes of the same traffic."""
    return [simulate(policy, make(), model) for policy in every_policy(MAX_ROWS)]


def bound(model: Model, traffic: Traffic) -> str:
    """What is known of the best that is possible, as text; empty where the model's times are not certain."""
    if not model.certain:
        return ""
    if isinstance(traffic, ClosedLoop):
        return f"no policy can pass {greatest_throughput(traffic, model, MAX_ROWS):.0f} requests/s"
    first = traffic.begin()[:BOUND_OVER]
    best = least_mean_latency(first, model, MAX_ROWS) * 1e3
    return f"over the first {len(first)} requests no policy can have a mean below {best:.2f} ms"


def mean_of_first(model: Model, make: Callable[[], Traffic]) -> str:
    """jubako's mean over the same first requests, to hold against the bound."""
    first = set(make().begin()[:BOUND_OVER])
    outcome = simulate(every_policy(MAX_ROWS)[0], _Given(sorted(first)), model)
    return f"jubako {outcome.mean * 1e3:.2f}"


class _Given(Traffic):
    def __init__(self, times: list[float]) -> None:
        super().__init__("given")
        self._times = times

    def begin(self) -> list[float]:
        return self._times


def main() -> None:
    parser = argparse.ArgumentParser(description="The batcher's policy against others, in simulated time.")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw throughput and p99 (needs matplotlib)")
    plot: Path | None = parser.parse_args().plot
    results: list[tuple[str, list[Outcome]]] = []
    for model, make in TRAFFIC:
        traffic = make()
        title = f"{model.name}; {traffic.name}"
        outcomes = compare(model, make)
        results.append((title, outcomes))
        print(f"\n{title}")
        if text := bound(model, traffic):
            print(text if isinstance(traffic, ClosedLoop) else f"{text} ({mean_of_first(model, make)})")
        print(f"  {'policy':<18}{'requests/s':>11}{'mean ms':>9}{'p50':>8}{'p99':>8}{'batch':>7}")
        for outcome in outcomes:
            mean, half, most = (value * 1e3 for value in (outcome.mean, outcome.quantile(0.5), outcome.quantile(0.99)))
            row = f"{outcome.throughput:>11.0f}{mean:>9.2f}{half:>8.2f}{most:>8.2f}{outcome.mean_batch:>7.1f}"
            print(f"  {outcome.policy:<18}{row}")
    if plot is not None:
        draw(results, plot)


def draw(results: list[tuple[str, list[Outcome]]], target: Path) -> None:
    """Bars for each kind of traffic: requests a second, and p99."""
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        raise SystemExit("--plot needs matplotlib: pip install matplotlib") from None
    pyplot.switch_backend("Agg")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(16, 0.6 * len(results) + 2), sharey=True)
    policies = [outcome.policy for outcome in results[0][1]]
    for index, policy in enumerate(policies):
        places = [row + index * 0.16 for row in range(len(results))]
        left.barh(places, [outcomes[index].throughput for _, outcomes in results], 0.15, label=policy)
        right.barh(places, [outcomes[index].quantile(0.99) * 1e3 for _, outcomes in results], 0.15, label=policy)
    left.set_yticks([row + 0.32 for row in range(len(results))], [title for title, _ in results])
    left.invert_yaxis()
    left.set_xlabel("requests/s")
    right.set_xlabel("p99, ms")
    right.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main()
