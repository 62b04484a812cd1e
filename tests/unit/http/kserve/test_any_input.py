"""Whatever is sent below /v2, the answer is a 4xx in the protocol's form or a success, and what reaches a model is a tensor."""

from __future__ import annotations

import math
from typing import Any

import httpx
import msgspec
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.http.application import Application
from jubako.kserve.trace import Tracing
from jubako.messages import InferRequest
from jubako.settings import Settings
from jubako.tensors import DATATYPES, check_contents, to_array
from tests.unit.http.fake_plane import FakePlane

PATHS = [
    "/v2/models/identity/infer",
    "/v2/models/identity/generate",
    "/v2/models/many/generate_stream",
    "/v2/repository/index",
    "/v2/repository/models/identity/load",
    "/v2/systemsharedmemory/region/x/register",
    "/v2/trace/setting",
    "/v2/models/identity/trace/setting",
]

numbers = (
    st.integers(-(2**66), 2**66) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1, 255, 1e39, 70000])
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=4)
nested = st.recursive(st.lists(scalars, max_size=4), lambda inner: st.lists(inner, max_size=3), max_leaves=6)
parameters = st.dictionaries(
    st.sampled_from(
        [
            "binary_data_size",
            "binary_data",
            "binary_data_output",
            "classification",
            "shared_memory_region",
            "shared_memory_byte_size",
            "shared_memory_offset",
            "priority",
            "timeout",
            "sequence_id",
        ]
    )
    | st.text(max_size=4),
    scalars | st.integers(0, 8),
    max_size=3,
)
SMALL: dict[str, st.SearchStrategy[object]] = {"BOOL": st.booleans(), "BYTES": st.text(max_size=3)}
shapes = st.lists(st.integers(0, 3), max_size=3)


@st.composite
def right(draw: st.DrawFn) -> dict[str, Any]:
    """A tensor as it should be, flat or nested."""
    datatype, shape = draw(st.sampled_from(DATATYPES)), draw(shapes)
    values = st.lists(SMALL.get(datatype, st.integers(0, 100)), min_size=math.prod(shape), max_size=math.prod(shape))
    data: Any = draw(values)
    as_nested = draw(st.booleans())
    if shape and as_nested:
        data = np.array(data, object).reshape(shape).tolist()
    return {"name": "INPUT0", "datatype": datatype, "shape": shape, "data": data}


wrong = st.fixed_dictionaries(
    {"name": st.sampled_from(["INPUT0", "text_input"]), "datatype": st.sampled_from(DATATYPES)},
    optional={"shape": shapes | st.lists(st.integers(-1, 2**70), max_size=2), "data": nested, "parameters": parameters},
)
tensors = right() | st.tuples(right(), wrong).map(lambda both: {**both[0], **both[1]}) | wrong
requests = st.fixed_dictionaries(
    {"inputs": st.lists(right(), min_size=1, max_size=3) | st.lists(tensors, max_size=3)},
    optional={
        "id": st.text(max_size=3) | st.none(),
        "outputs": st.lists(st.fixed_dictionaries({"name": st.just("INPUT0")}, optional={"parameters": parameters}), max_size=2),
        "parameters": parameters,
    },
)


async def send(path: str, content: bytes, headers: dict[str, str]) -> tuple[httpx.Response, FakePlane]:
    """One request to a fresh application, in memory."""
    plane = FakePlane()
    application = Application(plane.lifespan, Settings(access_log=False), Tracing(), guard=None)
    application._plane = plane  # A lifespan for each of thousands would be most of the work.
    transport = httpx.ASGITransport(application, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.post(path, content=content, headers=headers), plane


def check(response: httpx.Response, plane: FakePlane) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert set(response.json()) == {"error"}
        assert response.json()["error"]
    for request in plane.asked:
        assert isinstance(request, InferRequest)
        msgspec.msgpack.encode(request)
        for tensor in request.inputs:
            check_contents(tensor)
            if tensor.region is None and tensor.datatype != "BYTES":
                assert to_array(tensor).shape == tuple(tensor.shape)


quick = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(path=st.sampled_from(PATHS), content=st.binary(max_size=60) | nested.map(msgspec.json.encode))
async def test_any_body(path: str, content: bytes) -> None:
    check(*await send(path, content, {}))


@quick
@given(given_tensor=right())
async def test_any_right_tensor_reaches_the_model(given_tensor: dict[str, Any]) -> None:
    response, plane = await send(PATHS[0], msgspec.json.encode({"inputs": [given_tensor]}), {})
    assert response.status_code == 200, response.text
    check(response, plane)
    answered = response.json()["outputs"][0]
    assert np.array(answered["data"], object).tolist() == np.array(given_tensor["data"], object).ravel().tolist()


@quick
@given(body=requests, contents=st.binary(max_size=16), length=st.none() | st.integers(-2, 2))
async def test_any_nearly_right_inference(body: dict[str, Any], contents: bytes, length: int | None) -> None:
    text = msgspec.json.encode(body)
    headers = {} if length is None else {"inference-header-content-length": str(len(text) + length)}
    check(*await send(PATHS[0], text + contents if length is not None else text, headers))


@quick
@given(
    body=st.dictionaries(
        st.sampled_from(["INPUT0", "text_input", "id", "parameters"]) | st.text(max_size=3), scalars | nested | parameters
    )
)
async def test_any_nearly_right_generation(body: dict[str, Any]) -> None:
    check(*await send(PATHS[1], msgspec.json.encode(body), {}))
