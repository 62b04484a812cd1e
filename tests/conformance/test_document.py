"""The server does what its OpenAPI document says: schemathesis asks what the document allows, and what it doesn't."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving import Server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation(echo_server: Server, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{echo_server.url}/openapi.json")
    tried = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and "requestBody" not in operation.definition.raw:
            continue  # There is nothing to get wrong.

        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
                case.body["model"] = "echo"  # Else all that is asked is a model that doesn't exist.
            # Unloaded it would be missed by all that is asked after that.
            if "model" in case.path_parameters and not case.path.endswith("/unload"):
                case.path_parameters["model"] = "echo"
            case.call_and_validate(checks=CHECKS, timeout=60)

        ask()
        tried.append(operation.label)
    assert {"POST /v1/chat/completions", "POST /v2/models/{model}/infer"} <= set(tried)
    assert len(tried) >= 5
