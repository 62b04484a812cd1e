"""Models that wait to be asked for, and models that need others: real processes over a repository of the test's own."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest

from jubako.dataplane.plane import DataPlane
from jubako.errors import ModelFailed, ModelNotFound, ModelNotReady
from jubako.messages import Caller, InferRequest, VersionState
from jubako.tensors import from_array
from tests.conftest import ServerFactory
from tests.integration.echo_versions import MakeRepository, add_version, asked, entry, indexed, pid_of, serving
from tests.integration.runner_process import MakeRunner, gateway
from tests.integration.runner_serving import LONG_S, kill
from tests.unit.cli.command import jubako

MODELS = Path(__file__).parents[1] / "models"

WAITING = "autoload: false"


GATED = f"backend: python\n{WAITING}\n"
"""A model that is not loaded before :func:`open_gate` is called."""

CODE = """
import time
from pathlib import Path


class Model:
    def __init__(self) -> None:
        while not (Path(__file__).parents[1] / "open").exists():
            time.sleep(0.02)

    def infer(self, text: str) -> str:
        return text
"""


def close_gate(root: Path, model: str) -> None:
    (root / model / "1" / "model.py").write_text(CODE)


def open_gate(root: Path, model: str) -> None:
    (root / model / "open").touch()


def waiting(context_length: int, *needs: str, load_delay_s: float = 0) -> str:
    """An entry that is loaded on request."""
    return entry(context_length, versions=f"autoload: false\nneeds: [{', '.join(needs)}]", load_delay_s=load_delay_s)


def needing(*needs: str, context_length: int = 100) -> str:
    """An entry that is loaded at the start."""
    return entry(context_length, versions=f"needs: [{', '.join(needs)}]")


def ensemble(*models: str, more: str = WAITING) -> str:
    """A text that goes from model to model."""
    steps = [
        f"{{model: '{model}', inputs: {{text_input: t{number}}}, outputs: {{text_output: t{number + 1}}}}}"
        for number, model in enumerate(models)
    ]
    return f"backend: ensemble\n{more}\nengine: {{steps: [{', '.join(steps)}]}}\n"


def states(plane: DataPlane) -> dict[str, VersionState]:
    return {status.model: status.state for status in plane.index()}


async def echoed(plane: DataPlane, model: str) -> bytes:
    text = from_array("t0", np.array([b"hello"], object), "BYTES")
    answer = await plane.infer(InferRequest(model=model, inputs=[text]), Caller("test"))
    return bytes(answer.outputs[0].data[4:])


async def test_a_model_that_is_not_loaded_at_the_start_waits_for_a_load(make_runner: MakeRunner) -> None:
    runner = make_runner(m=entry(101), late=waiting(201))
    async with serving(runner) as plane:
        assert states(plane) == {"m": "READY", "late": "UNLOADED"}
        assert indexed(plane, 1, "late").reason == "it is loaded on request: jubako load late"
        assert plane.ready()
        assert runner.get("/readyz").status_code == 200
        with pytest.raises(ModelNotReady, match="is not loaded: it is loaded on request: jubako load late"):
            await asked(plane, "late")
        await plane.unload("late")
        await plane.load("late")
        assert await asked(plane, "late") == 201
        await plane.unload("late")
        assert states(plane)["late"] == "UNLOADED"


async def test_a_server_without_a_model_to_load_is_ready(make_runner: MakeRunner) -> None:
    async with serving(make_runner(late=waiting(201))) as plane:
        assert plane.ready()


async def test_loading_a_model_loads_what_it_needs_and_leaves_what_is_served(make_runner: MakeRunner) -> None:
    entries = {
        "top": ensemble("left", "right:1"),
        "left": waiting(301, "deep"),
        "right": waiting(302, "Org/Deep", "served"),
        "deep": entry(303, versions="autoload: false\nserved_names: [Org/Deep]", load_delay_s=0.5),
        "served": entry(304),
        "unasked": waiting(305),
    }
    async with serving(make_runner(**entries)) as plane:
        served = pid_of(plane, "served")
        await plane.load("top")
        assert states(plane) == {model: "UNLOADED" if model == "unasked" else "READY" for model in entries}
        assert pid_of(plane, "served") == served
        assert await echoed(plane, "top") == b"hello"


async def test_what_the_start_needs_is_loaded_though_it_would_wait(make_runner: MakeRunner) -> None:
    entries = {"top": ensemble("a", more=""), "a": waiting(301, "b", load_delay_s=0.3), "b": waiting(302), "c": waiting(303)}
    async with serving(make_runner(**entries)) as plane:
        assert states(plane) == {"top": "READY", "a": "READY", "b": "READY", "c": "UNLOADED"}
        assert await echoed(plane, "top") == b"hello"


async def test_models_that_need_each_other_fail_at_once(make_runner: MakeRunner, repository: MakeRepository) -> None:
    entries = {
        "a": ensemble("b", more=""),
        "b": needing("c"),
        "c": waiting(1, "a"),
        "on": needing("a"),
        "self": ensemble("Org/Self", more="served_names: [Org/Self]"),
    }
    root = repository(**entries)
    async with asyncio.timeout(LONG_S), serving(make_runner()) as plane:
        assert set(states(plane).values()) == {"FAILED"}
        assert "the models need each other in a circle: 'a' needs 'b' needs 'c' needs 'a'" in indexed(plane, 1, "a").reason
        assert "'self' needs 'self'" in indexed(plane, 1, "self").reason
        assert "it needs 'a'. The model 'a' could not be loaded" in indexed(plane, 1, "on").reason
        (root / "c" / "model.yaml").write_text(entry(301))
        await plane.load("on")
        assert {name: state for name, state in states(plane).items() if name != "self"} == dict.fromkeys(
            ["a", "b", "c", "on"], "READY"
        )

        (root / "c" / "model.yaml").write_text(entry(302, versions="needs: [a]"))
        with pytest.raises(ModelFailed, match="circle: 'c' needs 'a' needs 'b' needs 'c'"):
            await plane.load("c")
        assert await asked(plane, "c") == 301, "what was served before still is"


async def test_a_needed_model_that_fails_is_named_and_can_be_mended(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = repository(top=ensemble("bad", more=""), bad="backend: ecko\n", late=waiting(201, "bad", "nobody"))
    async with serving(make_runner()) as plane:
        assert indexed(plane, 1, "top").state == "FAILED"
        assert "it needs 'bad'. The model 'bad' could not be loaded" in indexed(plane, 1, "top").reason
        with pytest.raises(ModelFailed, match=r"'late' could not be loaded: .* it needs 'bad'"):
            await plane.load("late")
        assert states(plane)["late"] == "FAILED"
        (root / "bad" / "model.yaml").write_text(entry(301))
        with pytest.raises(ModelFailed, match=r"it needs 'nobody'\. The repository has no entry 'nobody'"):
            await plane.load("late")
        assert states(plane) == {"top": "FAILED", "bad": "READY", "late": "FAILED"}
        await plane.load("top")
        assert await echoed(plane, "top") == b"hello"
        repository(nobody=waiting(401))
        await plane.load("late")
        assert await asked(plane, "late") == 201
        assert await asked(plane, "nobody") == 401


async def test_a_needed_model_may_be_unloaded_and_comes_back(make_runner: MakeRunner) -> None:
    async with serving(make_runner(top=ensemble("a", more=""), a=waiting(301))) as plane:
        await plane.unload("a")
        assert states(plane) == {"top": "READY", "a": "UNLOADED"}
        with pytest.raises(ModelNotReady, match=r"Step 1 \(a\).*is not loaded"):
            await echoed(plane, "top")
        await plane.load("a")
        assert await echoed(plane, "top") == b"hello"

        await plane.unload("a")
        top = pid_of(plane, "top")
        await plane.load("top")
        assert pid_of(plane, "top") == top
        assert await echoed(plane, "top") == b"hello"


async def test_an_ensemble_that_is_started_again_without_its_model_says_so(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    steps = "{model: doubler, inputs: {x: x}, outputs: {y: y}}"
    root = repository(top=f"backend: ensemble\nengine: {{steps: [{steps}]}}\n")
    shutil.copytree(MODELS / "doubler", root / "doubler")
    runner = make_runner()
    async with serving(runner) as plane:
        await plane.unload("doubler")
        kill(pid_of(plane, "top"))
        failed = await runner.until(lambda snapshot: any(status.state == "FAILED" for status in snapshot.versions))
        assert "step 1 (doubler) can't be asked: " in next(status.reason for status in failed.versions if status.model == "top")
        await plane.load("top")
        assert states(plane) == {"top": "READY", "doubler": "READY"}


async def test_an_unload_gives_up_the_wait_for_what_is_needed(make_runner: MakeRunner) -> None:
    runner = make_runner(top=waiting(201, "slow"), slow=waiting(301, load_delay_s=3600))
    async with serving(runner) as plane:
        loading = asyncio.create_task(plane.load("top"))
        seen = await runner.until(lambda snapshot: all(status.state == "LOADING" for status in snapshot.versions))
        assert {status.model: status.reason for status in seen.versions}["top"] == "waiting for the models that it needs"
        await plane.unload("top")
        assert states(plane)["top"] == "UNLOADED"
        await plane.unload("slow")
        with pytest.raises(ModelFailed, match="unloaded meanwhile"):
            await asyncio.wait_for(loading, LONG_S)
        assert states(plane) == {"top": "UNLOADED", "slow": "UNLOADED"}


async def test_two_that_need_the_same_load_it_once(make_runner: MakeRunner) -> None:
    runner = make_runner(a=waiting(1, "shared"), b=waiting(2, "shared"), shared=waiting(3, load_delay_s=0.3))
    async with serving(runner) as plane:
        await asyncio.gather(plane.load("a"), plane.load("b"), plane.load("shared"))
        assert set(states(plane).values()) == {"READY"}
        pid = pid_of(plane, "shared")
        await asyncio.gather(plane.load("a"), plane.load("b"))
        assert pid_of(plane, "shared") == pid


async def test_an_entry_that_is_gone_when_it_is_loaded_waits_no_longer(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    root = repository(m=waiting(101, "other"), other=GATED)
    close_gate(root, "other")
    runner = make_runner()
    async with serving(runner) as plane:
        loading = asyncio.create_task(plane.load("m"))
        await runner.until(lambda snapshot: all(status.state == "LOADING" for status in snapshot.versions))
        shutil.rmtree(root / "m")
        open_gate(root, "other")
        with pytest.raises(ModelNotFound):
            await asyncio.wait_for(loading, LONG_S)
        assert states(plane) == {"m": "FAILED", "other": "READY"}


async def test_a_load_that_failed_has_failed_when_it_returns(make_runner: MakeRunner) -> None:
    runner = make_runner(m=waiting(101, "other", "nobody"), other=waiting(201))
    await runner.until(lambda snapshot: snapshot.started)
    async with gateway(runner, delay_s=0.2) as plane:
        while not plane.index():  # noqa: ASYNC110 - the plane is asked, as probes do
            await asyncio.sleep(0.02)
        with pytest.raises(ModelFailed, match="no entry 'nobody'"):
            await asyncio.wait_for(plane.load("m"), LONG_S)
        assert states(plane) == {"m": "FAILED", "other": "READY"}


async def test_a_broken_entry_that_needs_others_makes_nobody_ready_too_soon(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    root = repository(broken=needing("slow"), slow=entry(201, load_delay_s=3600))
    add_version(root, 2, "{context_length: none}", "broken")
    runner = make_runner()
    snapshot = await runner.until(lambda snapshot: bool(snapshot.versions))
    assert [status.state for status in snapshot.versions] == ["UNLOADED", "FAILED", "LOADING"]
    assert runner.get("/readyz").text == "loading slow:1\n"


def test_the_command_line_says_which_models_are_loaded(make_server: ServerFactory, repository: MakeRepository) -> None:
    root = repository(m=entry(101), late=waiting(201, "needed"), needed=waiting(301), other=waiting(401))

    def models(url: str) -> dict[str, str]:
        return {each["id"]: each["state"] for each in httpx.get(f"{url}/v1/models").json()["data"]}

    with make_server(root) as server:
        assert models(server.url) == {"m": "READY", "late": "UNLOADED", "needed": "UNLOADED", "other": "UNLOADED"}
        ran = jubako("load", "late", "--url", server.url)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert models(server.url) == {"m": "READY", "late": "READY", "needed": "READY", "other": "UNLOADED"}
        server.wait_until(lambda: "On request, with `jubako load MODEL`: late, needed, other" in server.log.read_text())
    with make_server(root, JUBAKO_LOAD="late") as server:
        assert models(server.url) == {"m": "UNLOADED", "late": "READY", "needed": "READY", "other": "UNLOADED"}
    listed = [line.split()[:3] for line in jubako("ls", root).stdout.splitlines()[1:]]
    assert ["late", "1", "on"] in listed
    assert ["m", "1", "served"] in listed


def test_an_unknown_name_to_load_stops_the_start(repository: MakeRepository) -> None:
    ran = jubako("serve", repository(m=entry(101)), "--load", "n", "--port", "0", "--grpc-port", "0")
    assert ran.returncode == 1
    assert "--load names 'n', and there is no such model" in ran.stderr


def test_nothing_is_fetched_for_a_model_that_waits(
    make_server: ServerFactory, repository: MakeRepository, tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    absent = "backend: llama_cpp\nautoload: false\nsource: https://127.0.0.1:9/none.gguf\n"
    with make_server(repository(m=entry(101), absent=absent), JUBAKO_CACHE_DIR=cache) as server:
        assert "none.gguf" not in server.log.read_text()
