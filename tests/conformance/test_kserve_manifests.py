"""What KServe is told, by `jubako manifest`, checked by the types of KServe's own package."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.command import jubako

CHECKER = Path(__file__).with_name("kserve_objects.py")
REPOSITORY = Path(__file__).parents[2] / "model_repository"
IMAGE = "registry.example.com/smollm2@sha256:" + "0" * 64
WEIGHTS = "registry.example.com/weights@sha256:" + "1" * 64

Check = Callable[[list[dict[str, Any]]], list[str]]


@pytest.fixture
def check(kserve_python: Path, tmp_path: Path) -> Check:
    """What is wrong in these objects."""

    def run(objects: list[dict[str, Any]]) -> list[str]:
        file = tmp_path / "objects.json"
        file.write_text(json.dumps(objects))
        ran = subprocess.run([kserve_python, CHECKER, file], capture_output=True, text=True, timeout=280, check=False)
        assert ran.returncode == 0, ran.stderr
        found: list[str] = json.loads(ran.stdout)
        return found

    return run


def made(*arguments: str) -> list[dict[str, Any]]:
    ran = jubako("manifest", "smollm2", "--for", "kserve", "--repository", REPOSITORY, "--memory-mib", "1024", *arguments)
    assert ran.returncode == 0, ran.stderr
    return list(yaml.safe_load_all(ran.stdout))


@pytest.mark.parametrize(
    ("arguments", "storage"),
    [
        (("--image", IMAGE), None),
        (("--image", IMAGE, "--weights", "mounted", "--weights-image", WEIGHTS), f"oci://{WEIGHTS}"),
        (("--image", IMAGE, "--weights", "mounted", "--gpu", "2", "--namespace", "models"), "pvc://smollm2-weights"),
        (("--image", IMAGE, "--weights", "source", "--api-keys-secret", "keys"), None),
    ],
)
def test_the_objects_are_valid(arguments: tuple[str, ...], storage: str | None, check: Check) -> None:
    objects = made(*arguments)
    assert check(objects) == []
    runtime, service = objects
    predictor = service["spec"]["predictor"]
    assert predictor["model"].get("storageUri") == storage
    assert predictor["model"]["runtime"] == runtime["metadata"]["name"]
    assert predictor["model"]["modelFormat"] == {
        name: value for name, value in runtime["spec"]["supportedModelFormats"][0].items() if name != "autoSelect"
    }
    # KServe mounts what its storageUri names, so nothing else may lie there.
    [container] = runtime["spec"]["containers"]
    assert "/mnt/models" not in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert predictor["securityContext"]["runAsNonRoot"]
    assert not predictor["enableServiceLinks"]


def test_what_kserve_does_not_know_would_be_found(check: Check) -> None:
    runtime, service = made("--image", IMAGE)
    runtime["spec"]["containers"][0]["readinessProbe"]["grpc"]["host"] = "x"
    runtime["spec"]["supportedModelFormats"] = "gguf"
    del service["spec"]["predictor"]["model"]["modelFormat"]
    service["spec"]["predictor"]["minReplica"] = 1
    assert {problem.partition(":")[0] for problem in check([runtime, service])} >= {
        "ServingRuntime.spec.supportedModelFormats is no list",
        "ServingRuntime.spec.containers[0].readinessProbe.grpc.host is not known",
        "InferenceService.spec.predictor.minReplica is not known",
        "InferenceService.spec.predictor.model",  # lacks the format
    }
