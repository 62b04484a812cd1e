"""Bounds that no policy can beat, not even one that knows every arrival beforehand."""

from __future__ import annotations

from math import inf

from benchmarks.batching_sim.models import Model
from benchmarks.batching_sim.traffic import ClosedLoop

GRID = 100e-6


def least_mean_latency(arrivals: list[float], model: Model, max_rows: int) -> float:
    """A lower bound of the mean latency over given arrivals, tight to about one step of the grid for each batch.

    Dynamic programming. Requests are alike and more rows never take less time, so some optimum serves them in the order of their
    arrival; what remains to choose is where each batch ends. A state is the number of requests served and the time at which the
    instance is free again, rounded *down* to the grid, which can only help; of two states with as many served, the one that is
    both later and dearer is dropped. Times must be certain.
    """
    count = len(arrivals)
    states: list[dict[int, float]] = [{} for _ in range(count + 1)]
    states[0][0] = 0.0
    takes = [model.expected(rows) for rows in range(max_rows + 1)]
    for served in range(count):
        cheapest = inf
        for step, cost in sorted(states[served].items()):
            if cost >= cheapest:
                continue
            cheapest = cost
            free = step * GRID
            arrived = 0.0
            for end in range(served + 1, min(count, served + max_rows) + 1):
                arrived += arrivals[end - 1]
                done = max(free, arrivals[end - 1]) + takes[end - served]
                total = cost + (end - served) * done - arrived
                place = int(done / GRID)
                after = states[end]
                if total < after.get(place, inf):
                    after[place] = total
                if arrivals[end - 1] > free + takes[1] + takes[max_rows]:
                    break
        states[served] = {}
    return min(states[count].values()) / count


def greatest_throughput(traffic: ClosedLoop, model: Model, max_rows: int) -> float:
    """An upper bound of the requests a second of a closed loop: full batches without a gap, the front end without a pause, or
    every client served at once and alone. (The handling of the simulated front end is `traffic.handling` on average.)"""
    full = max(rows / model.expected(rows) for rows in range(1, max_rows + 1))
    alone = traffic.clients / (model.expected(1) + traffic.handling + traffic.think)
    return min(full, 1 / traffic.handling, alone)
