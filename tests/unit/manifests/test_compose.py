"""What Compose is told, checked by the Compose specification's schema, in which a field that is not known is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from compose_spec.models import ComposeSpecification
from pydantic import ValidationError

from jubako.errors import ConfigurationError
from jubako.manifests import as_yaml, compose_file
from tests.unit.manifests.conftest import Make

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "GPU": {"name": "Big_Model.7B", "gpus": 2, "weights": "mounted"},
    "an image of weights": {"weights": "mounted", "weights_image": "registry.example.com/weights@sha256:" + "1" * 64},
    "source": {"weights": "source"},
    "keys": {"api_keys_secret": "./api_keys.toml"},
    "variables": {"env_secret": "./claude.env"},
}


def made(workload: Make, **fields: Any) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(as_yaml([compose_file(workload(**fields))]))
    return read


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_the_file_is_valid(fields: dict[str, Any], workload: Make) -> None:
    ComposeSpecification.model_validate(made(workload, **fields), extra="forbid")


def test_a_field_that_compose_does_not_know_would_be_found(workload: Make) -> None:
    file = made(workload, weights="mounted", weights_image="r.example.com/w:1")
    file["services"]["smollm2"]["readonly"] = True
    file["services"]["smollm2"]["deploy"]["resources"]["limits"]["gpu"] = 1
    with pytest.raises(ValidationError) as refused:
        ComposeSpecification.model_validate(file, extra="forbid")
    assert {error["loc"][-1] for error in refused.value.errors()} == {"readonly", "gpu"}


def test_nothing_of_the_container_is_privileged_or_writable(workload: Make) -> None:
    service = made(workload)["services"]["smollm2"]
    assert service["user"] == "1034:1034"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp:exec"]
    assert "volumes" not in service
    assert service["stop_grace_period"] == "40s"


def test_vllm_gets_the_shared_memory_in_which_its_processes_meet(workload: Make) -> None:
    [service] = made(workload, name="Big_Model.7B")["services"].values()
    assert service["shm_size"] == "1gb"
    assert "shm_size" not in made(workload)["services"]["smollm2"]


def test_only_the_machine_itself_may_call(workload: Make) -> None:
    assert made(workload)["services"]["smollm2"]["ports"] == ["127.0.0.1:3000:3000", "127.0.0.1:50051:50051"]


def test_several_containers_behind_one_port_are_refused(workload: Make) -> None:
    with pytest.raises(ConfigurationError, match="instances"):
        compose_file(workload(replicas=2))


def test_keys_are_a_file_that_is_mounted(workload: Make) -> None:
    file = made(workload, api_keys_secret="./api_keys.toml")
    [secret] = file["services"]["smollm2"]["secrets"]
    assert file["secrets"][secret["source"]] == {"file": "./api_keys.toml"}
    assert secret["target"] == file["services"]["smollm2"]["environment"]["JUBAKO_API_KEYS"]
