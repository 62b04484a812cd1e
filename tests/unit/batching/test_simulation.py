"""The policy holds its own in simulated time."""

from __future__ import annotations

import pytest

from benchmarks.batching_sim.models import Model
from benchmarks.batching_sim.optimum import greatest_throughput, least_mean_latency
from benchmarks.batching_sim.policies import Adaptive, Greedy
from benchmarks.batching_sim.simulation import simulate
from benchmarks.batching_sim.traffic import Bursty, ClosedLoop, Poisson

FLAT = Model("flat", 0.005)


def test_32_clients_are_served_much_faster_than_greedily() -> None:
    ours = simulate(Adaptive(32), ClosedLoop(32, 2.0), FLAT)
    greedy = simulate(Greedy(32), ClosedLoop(32, 2.0), FLAT)
    assert ours.throughput > 1.25 * greedy.throughput
    assert ours.throughput > 4200


def test_a_single_client_is_never_delayed() -> None:
    ours = simulate(Adaptive(32), ClosedLoop(1, 2.0), FLAT)
    assert max(ours.latencies) == pytest.approx(0.005)


def test_128_clients_keep_the_instance_busy() -> None:
    assert simulate(Adaptive(32), ClosedLoop(128, 1.0), FLAT).throughput > 6300


@pytest.mark.parametrize("rate", [400, 1000, 2345, 4220])
def test_independent_clients_are_not_held_back(rate: float) -> None:
    ours = simulate(Adaptive(32), Poisson(rate, 3.0), FLAT)
    greedy = simulate(Greedy(32), Poisson(rate, 3.0), FLAT)
    assert ours.quantile(0.99) < 1.03 * greedy.quantile(0.99)
    assert ours.mean < 1.03 * greedy.mean


def test_bursts_are_not_held_back() -> None:
    ours = simulate(Adaptive(32), Bursty(300, 4500, 0.05, 3.0), FLAT)
    greedy = simulate(Greedy(32), Bursty(300, 4500, 0.05, 3.0), FLAT)
    assert ours.quantile(0.99) < 1.03 * greedy.quantile(0.99)


def test_noise_and_stalls_do_not_undo_it() -> None:
    model = Model("rough", 0.005, noise=0.15, stall_every=200)
    assert simulate(Adaptive(32), ClosedLoop(32, 2.0), model).throughput > (
        1.2 * simulate(Greedy(32), ClosedLoop(32, 2.0), model).throughput
    )


def test_no_bad_time_is_remembered() -> None:
    """1, 32, then 1 client: the last third is served as the first."""
    ours = simulate(Adaptive(32), ClosedLoop((1, 32, 1), 3.0), FLAT)
    alone = [latency for latency, end in zip(ours.latencies, ours.ends, strict=True) if end > 2.1]
    assert len(alone) > 150
    assert max(alone) == pytest.approx(0.005)


def test_nothing_passes_the_bounds() -> None:
    arrivals = Poisson(2000, 0.4).begin()
    best = least_mean_latency(arrivals, FLAT, 32)
    assert 0.005 < best < simulate(Adaptive(32), Poisson(2000, 0.4), FLAT).mean
    loop = ClosedLoop(32, 1.0)
    assert simulate(Adaptive(32), loop, FLAT).throughput < greatest_throughput(loop, FLAT, 32)


def test_the_optimum_knows_when_to_wait() -> None:
    """Two requests a moment apart are best served together: the first waits for the second."""
    assert least_mean_latency([0.0, 0.001], FLAT, 32) == pytest.approx(0.0055, abs=0.0002)
    assert least_mean_latency([0.0, 0.004], FLAT, 32) == pytest.approx((0.005 + 0.006) / 2, abs=0.002)
