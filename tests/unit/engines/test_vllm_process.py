"""The parts of the backend vllm that need no vLLM: its environment variables, and the end of what it starts."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from jubako.backends.vllm import surroundings

ENGINE_OF_CHILDREN = """
import multiprocessing, subprocess, sys, time
from jubako.backends.vllm.guard import guard_process_group
guard_process_group()
subprocess.Popen(["sleep", "600"])
if sys.argv[1] == "fork":
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["spawn", "fork"])
def test_what_an_engine_started_ends_with_a_process_that_is_killed(kind: str) -> None:
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE_OF_CHILDREN, kind], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "ready\n"
        children = psutil.Process(engine.pid).children(recursive=True)
        assert len(children) == (3 if kind == "fork" else 2)
        engine.kill()
        assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_group_that_is_not_its_own_is_left_alone() -> None:
    program = "from jubako.backends.vllm.guard import guard_process_group as guard; guard(); print('left alone')"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "left alone\n"


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own, forgotten after it."""
    monkeypatch.setattr(os, "environ", {})


@pytest.mark.usefixtures("variables")
def test_nothing_leaves_the_machine_and_little_is_logged() -> None:
    surroundings.prepare(None, None)
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_LOGGING_LEVEL"] == "WARNING"
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "4"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(("seen", "device"), [("", "1"), ("4,6", "6"), ("GPU-a,GPU-b", "GPU-b"), ("3", "1")])
def test_what_the_server_was_started_with_stays_and_the_entry_goes_before_it(seen: str, device: str) -> None:
    os.environ.update(VLLM_LOGGING_LEVEL="INFO", VLLM_CPU_KVCACHE_SPACE="9", CUDA_VISIBLE_DEVICES=seen)
    surroundings.prepare(2, 1)
    assert os.environ["VLLM_LOGGING_LEVEL"] == "INFO"
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == device
