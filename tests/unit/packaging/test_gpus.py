"""What a service makes of the GPUs of a machine, as BentoML starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.cli.command import clean_environment

ROOT = Path(__file__).parents[3]
LOOK = """
from _bentoml_impl.loader import load
from _bentoml_impl.server.allocator import ResourceAllocator

service = load("services.lmdeploy:svc", working_dir=".")
service.inject_config()
runner = service.dependencies["runner"].on
assert runner.config["resources"]["gpu"] == 1
print(ResourceAllocator().get_worker_env(runner))
"""


def test_the_runner_sees_every_gpu_that_the_container_has() -> None:
    """An engine may spread one model over several; the number in the service is for whoever places it."""
    environment = clean_environment(BENTOML_DO_NOT_TRACK="true")
    ran = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "(1, {})"
