"""The interface of a model, and its digest."""

from __future__ import annotations

import subprocess
import sys

import pytest
from msgspec.structs import replace

from jubako.messages import ModelInfo, Task, VersionState, VersionStatus
from jubako.routing.interface import digest_of, interface_digest, interface_lines, interfaces
from jubako.tensors import Signature, TensorSpec

X = TensorSpec(name="x", datatype="FP32", shape=[3, -1], optional=True)
Y = TensorSpec(name='a "y"\n', datatype="INT64", shape=[2], labels=["cat", "dög"])
SIGNATURE = Signature(inputs=[X], outputs=[Y], max_batch_size=8)


def status(
    model: str, version: int, *tasks: Task, state: VersionState = "READY", signature: Signature | None = None
) -> VersionStatus:
    info = ModelInfo(signature=signature) if signature else None
    return VersionStatus(
        model=model, version=version, state=state, served_names=[model, "other"], tasks=list(tasks), backend="b", info=info
    )


def test_the_lines_name_all_that_a_client_relies_on() -> None:
    assert interface_lines(["infer"], SIGNATURE) == [
        "task infer",
        "batch dimension",
        'input "x" FP32 [3, -1] optional',
        'output "a \\"y\\"\\n" INT64 [2]',
        'labels "a \\"y\\"\\n" ["cat", "dög"]',
    ]
    assert interface_lines(["completion", "chat"], None) == ["task chat", "task completion"]


@pytest.mark.parametrize(
    "same",
    [
        replace(SIGNATURE, max_batch_size=9),
        replace(SIGNATURE, platform="onnxruntime_onnx"),
        replace(SIGNATURE, inputs=[replace(X, description="What it is.", ragged=True)]),
        replace(SIGNATURE, inputs=[replace(X, content="image")]),
    ],
)
def test_what_no_client_relies_on_does_not_count(same: Signature) -> None:
    assert interface_digest(["infer"], same) == interface_digest(["infer"], SIGNATURE)


@pytest.mark.parametrize(
    "other",
    [
        replace(SIGNATURE, max_batch_size=0),
        replace(SIGNATURE, decoupled=True),
        replace(SIGNATURE, inputs=[replace(X, optional=False)]),
        replace(SIGNATURE, inputs=[replace(X, shape=[3, 1])]),
        replace(SIGNATURE, inputs=[replace(X, name="X")]),
        replace(SIGNATURE, outputs=[replace(Y, datatype="INT32")]),
        replace(SIGNATURE, outputs=[replace(Y, labels=["dög", "cat"])]),
    ],
)
def test_what_a_client_relies_on_counts(other: Signature) -> None:
    assert interface_digest(["infer"], other) != interface_digest(["infer"], SIGNATURE)


def test_the_order_does_not_count() -> None:
    pair = [X, replace(X, name="z")]
    one, other = (replace(SIGNATURE, inputs=inputs) for inputs in (pair, pair[::-1]))
    assert interface_digest(["infer"], one) == interface_digest(["infer"], other)


def test_the_digest_is_the_same_in_another_process() -> None:
    script = "from jubako.routing.interface import interface_digest; print(interface_digest(['completion', 'chat'], None))"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == interface_digest(["chat", "completion"], None)


def test_a_model_of_text_has_a_digest_before_it_is_loaded_and_one_of_tensors_has_not() -> None:
    assert digest_of(status("m", 1, "chat", state="UNLOADED")) == interface_digest(["chat"], None)
    assert digest_of(status("m", 1, "infer", state="LOADING")) == ""
    assert digest_of(status("m", 1, "infer", signature=SIGNATURE)) == interface_digest(["infer"], SIGNATURE)
    assert digest_of(status("broken", 0, state="FAILED")) == ""


def test_versions_are_those_that_can_be_asked_in_the_same_way() -> None:
    current = status("m", 4, "infer", signature=SIGNATURE)
    versions = [
        status("m", 1, "infer", state="UNLOADED"),
        status("m", 2, "infer", signature=replace(SIGNATURE, max_batch_size=0)),
        status("m", 3, "infer", signature=SIGNATURE),
        current,
        status("another", 9, "infer", signature=SIGNATURE),
    ]
    (found,) = interfaces([current], versions)
    assert (found.name, found.versions, found.served_names, found.unknown) == ("m", [3, 4], ["other"], "")


def test_it_is_said_why_tensors_are_not_known() -> None:
    waiting = status("m", 1, "infer", state="UNLOADED")
    failed = replace(waiting, state="FAILED", reason="No such file.")
    assert [each.unknown for each in interfaces([waiting, failed], [])] == ["it is unloaded", "No such file."]
