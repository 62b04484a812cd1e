"""The measurements there are, in the order in which they are made."""

from __future__ import annotations

from benchmarks.peers.experiments.base import Experiment
from benchmarks.peers.experiments.burst import Burst
from benchmarks.peers.experiments.closed_loop import BothCores, ClosedLoop
from benchmarks.peers.experiments.endurance import Endurance
from benchmarks.peers.experiments.inputs import BadInput
from benchmarks.peers.experiments.large import LargeTensors
from benchmarks.peers.experiments.open_loop import OpenLoop

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (ClosedLoop(), OpenLoop(), Burst(), BothCores(), Endurance(), LargeTensors(), BadInput())
}
