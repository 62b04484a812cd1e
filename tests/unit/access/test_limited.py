"""The data plane of a caller whose key is for some models only."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from jubako.access.key import NOBODY, Key
from jubako.dataplane.limited import LimitedPlane, seen_by
from jubako.dataplane.protocol import Plane
from jubako.errors import Forbidden, ModelNotFound
from jubako.messages import (
    Caller,
    ChatRequest,
    ClassifyRequest,
    DetokenizeRequest,
    EmbedRequest,
    InferRequest,
    Message,
    ScoreRequest,
    SharedRegion,
    TokenizeRequest,
)
from tests.unit.access.conftest import key
from tests.unit.http.fake_plane import FakePlane

Ask = Callable[[Plane, str], Awaitable[object]]

HIDDEN = ("embed", "identity", "identity:3", "many", "nothing")
"""Names that the limited key is not for; the last is nobody's."""

VISIBLE = ("talk", "talk:2b", "Org/Talk-2B", "talk:2")


@pytest.fixture
def plane() -> FakePlane:
    plane = FakePlane()
    plane.shared = [SharedRegion(name="region", key="/region", byte_size=1)]
    return plane


@pytest.fixture
def limited(plane: FakePlane) -> Plane:
    return seen_by(plane, key("limited"))


def chat(model: str) -> ChatRequest:
    return ChatRequest(model=model, messages=[Message(role="user", content="hello")])


async def drained(stream: AsyncGenerator[Any]) -> list[Any]:
    return [batch async for batch in stream]


ASKING: dict[str, Ask] = {
    "generate": lambda plane, model: plane.generate(chat(model), Caller("id")),
    "stream": lambda plane, model: drained(plane.stream(chat(model), Caller("id"))),
    "infer": lambda plane, model: plane.infer(InferRequest(model=model, inputs=[]), Caller("id")),
    "infer_stream": lambda plane, model: drained(plane.infer_stream(InferRequest(model=model, inputs=[]), Caller("id"))),
    "embed": lambda plane, model: plane.embed(EmbedRequest(model=model, inputs=["a"]), Caller("id")),
    "score": lambda plane, model: plane.score(ScoreRequest(model=model, queries=["a"], documents=["b"]), Caller("id")),
    "classify": lambda plane, model: plane.classify(ClassifyRequest(model=model, inputs=["a"]), Caller("id")),
    "tokenize": lambda plane, model: plane.tokenize(TokenizeRequest(model=model, text="a"), Caller("id")),
    "detokenize": lambda plane, model: plane.detokenize(DetokenizeRequest(model=model, tokens=[1]), Caller("id")),
    "statistics": lambda plane, model: plane.statistics(model),
}
"""The methods that are told a model by any of its names."""

ORDERS: dict[str, Ask] = {
    "load": lambda plane, model: plane.load(model),
    "unload": lambda plane, model: plane.unload(model),
    "set_alias": lambda plane, model: plane.set_alias(model, "stable", 2),
    "delete_alias": lambda plane, model: plane.delete_alias(model, "stable"),
}
"""Those that are told an entry by its own."""

FOR_ALL_MODELS: dict[str, Ask] = {
    "metrics": lambda plane, model: plane.metrics(),
    "register_region": lambda plane, model: plane.register_region(SharedRegion(name="a", key="/a", byte_size=1)),
    "unregister_region": lambda plane, model: plane.unregister_region(None),
}

WITHOUT_NAMES = {"models", "model", "index", "ready", "signature", "activity", "regions"}
"""Tested one by one below, or given a version that comes from one of them."""


def test_every_method_of_the_plane_is_tested_here() -> None:
    methods = {name for name, _ in inspect.getmembers(LimitedPlane, inspect.isfunction) if not name.startswith("_")}
    assert methods == {*ASKING, *ORDERS, *FOR_ALL_MODELS, *WITHOUT_NAMES}


def test_who_is_not_limited_has_the_plane_itself(plane: FakePlane) -> None:
    assert seen_by(plane, None) is plane
    assert seen_by(plane, key("infer")) is plane


@pytest.mark.parametrize("method", ASKING)
async def test_only_its_models_can_be_asked(plane: FakePlane, limited: Plane, method: str) -> None:
    for model in VISIBLE:
        await ASKING[method](limited, model)
    asked = list(plane.asked)
    for model in HIDDEN:
        with pytest.raises(ModelNotFound) as caught:
            await ASKING[method](limited, model)
        message = caught.value.message.replace(repr(model), "")
        assert not [status.model for status in plane.statuses if status.model != "talk" and status.model in message], message
    assert plane.asked == asked, "the plane never heard of it"


@pytest.mark.parametrize("method", ORDERS)
async def test_only_its_models_can_be_ordered(plane: FakePlane, limited: Plane, method: str) -> None:
    await ORDERS[method](limited, "talk")
    done = list(plane.loads)
    for model in HIDDEN:
        with pytest.raises(ModelNotFound, match="does not exist"):
            await ORDERS[method](limited, model)
    assert plane.loads == done


async def test_an_entry_that_is_not_there_is_said_without_the_names_of_others(plane: FakePlane) -> None:
    limited = seen_by(plane, Key("new", b"", ("admin",), ("new*", "embed")))
    with pytest.raises(ModelNotFound) as caught:
        await limited.load("newcomer")
    assert "talk" not in caught.value.message
    assert "'embed'" in caught.value.message


def test_there_are_only_its_models(plane: FakePlane, limited: Plane) -> None:
    assert {status.model for status in limited.models()} == {"talk"}
    assert {status.model for status in limited.index()} == {"talk"}
    assert limited.ready() is plane.ready()
    assert [limited.model(name).model for name in VISIBLE] == ["talk"] * len(VISIBLE)
    assert limited.signature(plane.model("identity")) == plane.signature(plane.model("identity")), (
        "it takes a version as it comes"
    )


def test_a_version_that_its_model_lacks_is_said_as_ever(limited: Plane) -> None:
    with pytest.raises(ModelNotFound, match="The model 'talk' has no version 7; it has 2"):
        limited.model("talk:7")


@pytest.mark.parametrize("method", FOR_ALL_MODELS)
async def test_what_is_of_all_models_is_not_for_it(limited: Plane, method: str) -> None:
    with pytest.raises(Forbidden, match="for some models only"):
        await FOR_ALL_MODELS[method](limited, "")


async def test_shared_memory_is_not_there_for_it(plane: FakePlane, limited: Plane) -> None:
    assert limited.regions() == []
    assert plane.regions()
    assert await limited.activity(limited.model("talk")) == []


def test_nobody_sees_a_model(plane: FakePlane) -> None:
    nobody = seen_by(plane, NOBODY)
    assert (nobody.models(), nobody.index()) == ([], [])
    with pytest.raises(ModelNotFound, match="'talk' does not exist"):
        nobody.model("talk")
