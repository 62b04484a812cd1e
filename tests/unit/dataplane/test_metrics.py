"""Metrics of several gateway processes, one of which is killed in the middle of a request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from jubako.dataplane.metrics import Metrics
from tests.unit.dataplane.conftest import version

GATEWAY = """
import os, sys, time
from pathlib import Path
from jubako.dataplane.metrics import Metrics
from tests.unit.dataplane.conftest import version

task = Metrics(Path(sys.argv[1])).of(version(), "chat")
with task.measure():
    pass
with task.measure():
    print("asked", flush=True)
    time.sleep(60)
"""


def sample(page: bytes, name: str) -> float:
    (line,) = (line for line in page.decode().splitlines() if line.startswith(name + "{"))
    return float(line.rpartition(" ")[2])


def test_any_process_answers_for_all_and_the_dead_have_nothing_in_flight(tmp_path: Path) -> None:
    # The library finds its files by this variable, which is read in each process when its first metric is made.
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    other = subprocess.Popen([sys.executable, "-c", GATEWAY, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    assert other.stdout is not None
    with other.stdout as said:
        assert said.readline() == b"asked\n"
        scrape = "import sys; from pathlib import Path; from jubako.dataplane.metrics import Metrics; "
        scrape += "sys.stdout.buffer.write(Metrics(Path(sys.argv[1])).page([]))"
        command = [sys.executable, "-c", scrape, str(tmp_path)]
        alive = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        other.send_signal(signal.SIGKILL)
        other.wait()
        dead = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert sample(alive, "jubako_requests_in_flight") == 1
    assert "jubako_requests_in_flight{" not in dead.decode()
    assert sample(alive, "jubako_requests_total") == sample(dead, "jubako_requests_total") == 2


def test_a_lone_gateway_keeps_its_metrics_in_memory(tmp_path: Path) -> None:
    metrics = Metrics()
    with metrics.of(version(), "chat").measure():
        assert sample(metrics.page([]), "jubako_requests_in_flight") == 1
    assert sample(metrics.page([]), "jubako_requests_in_flight") == 0
    assert sample(metrics.page([]), "jubako_request_seconds_count") == 1
    assert not list(tmp_path.iterdir())
