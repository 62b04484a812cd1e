"""Versions: several at once, loaded and unloaded while calls run, over a real repository and real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from multiprocessing.shared_memory import SharedMemory

import httpx
import psutil
import pytest

from jubako.errors import InvalidRequest, ModelFailed, ModelNotFound, ModelNotReady
from jubako.messages import SharedRegion
from jubako.runner.deployment import Plan
from tests.conftest import ServerFactory
from tests.integration.echo_versions import (
    WORDS,
    MakeRepository,
    add_version,
    asked,
    entry,
    in_constant_use,
    indexed,
    pid_of,
    saying,
    serving,
)
from tests.integration.runner_process import MakeRunner
from tests.integration.runner_serving import (
    IMPATIENT,
    LONG_S,
    TROUBLED,
    deployed,
    is_in,
    kill,
    plans,
    resume,
    supervising,
    suspend,
    until_gone,
    until_ready,
    version_of,
)
from tests.unit.cli.command import jubako


async def test_every_version_that_the_policy_selects_is_served_and_a_broken_one_fails_alone(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    text = entry(101, versions="versions: all\nserved_names: ['n:b']")
    root = repository(m=text)
    add_version(root, 2, "{context_length: 102}")
    add_version(root, 3, "{context_length: none}")
    async with serving(make_runner(m=text)) as plane:
        assert await asked(plane, "m:1") == await asked(plane, "n:b:1") == 101
        assert await asked(plane, "m:2") == await asked(plane, "m") == await asked(plane, "n:b") == 102
        assert [(status.version, status.state) for status in plane.index()] == [(1, "READY"), (2, "READY"), (3, "FAILED")]
        assert "context_length" in indexed(plane, 3).reason
        assert [status.version for status in plane.models()] == [2]
        with pytest.raises(ModelFailed, match="context_length"):
            await asked(plane, "m:3")
        with pytest.raises(ModelNotFound, match="no version 7; it has 1, 2, 3"):
            await asked(plane, "m:7")


async def test_only_what_the_policy_selects_is_served(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101, versions="versions: {latest: 2}")
    root = repository(m=text)
    add_version(root, 2, "{context_length: 102}")
    add_version(root, 3, "{context_length: 103}")
    async with serving(make_runner(m=text)) as plane:
        assert [status.state for status in plane.index()] == ["UNLOADED", "READY", "READY"]
        with pytest.raises(ModelNotReady, match="version policy"):
            await asked(plane, "m:1")
        kept = pid_of(plane, "m:3")
        (root / "m" / "model.yaml").write_text(entry(101, versions="versions: [1, 3]"))
        await plane.load("m")
        assert [status.state for status in plane.index()] == ["READY", "UNLOADED", "READY"]
        assert await asked(plane, "m:1") == 101
        assert pid_of(plane, "m:3") == kept


async def test_a_new_version_takes_over_while_calls_run(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101, delay_s=0.05)
    root = repository(m=text)
    async with serving(make_runner(m=text)) as plane:
        old = pid_of(plane, "m")
        streamed = await saying(plane, "m")
        async with in_constant_use(plane, "m") as answers:
            add_version(root, 2, "{context_length: 102, load_delay_s: 0.3}")
            await plane.load("m")
            assert await asked(plane, "m") == 102
        assert answers <= {101, 102}
        assert indexed(plane, 1).state == "UNLOADED"
        assert await streamed == WORDS
        await until_gone(old)


async def test_a_changed_entry_takes_over_under_the_same_number(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101)
    root = repository(m=text)
    async with serving(make_runner(m=text)) as plane:
        first = pid_of(plane, "m")
        async with in_constant_use(plane, "m") as answers:
            for context_length in (103, 104, 105):
                (root / "m" / "model.yaml").write_text(entry(context_length, load_delay_s=0.1))
                await plane.load("m")
                assert await asked(plane, "m") == context_length
        assert answers <= {101, 103, 104, 105}
        assert [(status.version, status.state) for status in plane.index()] == [(1, "READY")]
        await until_gone(first)

        last = pid_of(plane, "m")
        await plane.load("m")
        (root / "m" / "model.yaml").write_text(entry(105, load_delay_s=0.1, versions="served_names: [other]"))
        await plane.load("m")
        assert pid_of(plane, "other") == last, "nothing that an instance is told has changed"
        (root / "m" / "1" / "weights").write_text("new")
        await plane.load("m")
        assert pid_of(plane, "m") != last


async def test_unloading_finishes_the_calls_in_flight(make_runner: MakeRunner) -> None:
    runner = make_runner(m=entry(101, delay_s=0.1), other=entry(201))
    async with serving(runner) as plane:
        pid = pid_of(plane, "m")
        streamed = await saying(plane, "m")
        suspend(pid)
        unloading = asyncio.create_task(plane.unload("m"))
        await runner.until(lambda snapshot: version_of(snapshot, "m").state == "UNLOADED")
        assert not streamed.done()
        assert not unloading.done()
        resume(pid)
        assert await streamed == WORDS
        await asyncio.wait_for(unloading, LONG_S)
        await until_gone(pid)
        assert (indexed(plane, 1).state, indexed(plane, 1).reason) == ("UNLOADED", "unloaded")
        with pytest.raises(ModelNotReady, match="is not loaded"):
            await asked(plane, "m")
        assert plane.ready()
        assert runner.get("/readyz").status_code == 200
        assert await asked(plane, "other") == 201

        await plane.unload("m")
        await plane.load("m")
        assert await asked(plane, "m") == 101
        with pytest.raises(ModelNotFound, match="'other'"):
            await plane.unload("othre")
        with pytest.raises(ModelNotFound, match="'other'"):
            await plane.load("othre")
        with pytest.raises(ModelNotFound):
            await plane.load("../m")


async def test_an_entry_that_is_broken_now_leaves_what_is_served(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = repository(m=entry(101), other=entry(201, versions="served_names: [taken]"))
    async with serving(make_runner()) as plane:
        for broken, why in (
            ("backend: ecko\n", "ecko"),
            (entry(101, versions="served_names: [other]"), "name of another entry"),
            (entry(101, versions="served_names: [taken]"), "a name of 'other'"),
        ):
            (root / "m" / "model.yaml").write_text(broken)
            with pytest.raises(ModelFailed, match=why):
                await plane.load("m")
            assert await asked(plane, "m") == 101
            assert [(status.model, status.state) for status in plane.index()] == [("m", "READY"), ("other", "READY")]


async def test_what_is_mended_or_new_can_be_loaded(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = repository(m="backend: ecko\n")
    async with serving(make_runner()) as plane:
        assert plane.model("m").state == "FAILED"
        (root / "m" / "model.yaml").write_text("backend: eccho\n")
        with pytest.raises(ModelFailed, match="eccho"):
            await plane.load("m")
        assert "eccho" in plane.model("m").reason
        (root / "m" / "model.yaml").write_text(entry(101))
        await plane.load("m")
        assert await asked(plane, "m") == 101

        repository(new=entry(301))
        await plane.unload("new")
        await plane.load("new")
        assert await asked(plane, "new") == 301
        assert [status.model for status in plane.index()] == ["m", "new"]


async def test_a_model_that_loads_later_leaves_the_server_ready(make_runner: MakeRunner, repository: MakeRepository) -> None:
    repository(m=entry(101))
    runner = make_runner()
    async with serving(runner) as plane:
        repository(slow=entry(301, load_delay_s=3600))
        loading = asyncio.create_task(plane.load("slow"))
        await runner.until(lambda snapshot: any(status.state == "LOADING" for status in snapshot.versions))
        assert plane.ready()
        assert runner.get("/readyz").status_code == 200
        await plane.unload("slow")
        with pytest.raises(ModelFailed, match="unloaded"):
            await loading
        assert plane.model("slow").state == "UNLOADED"


async def test_a_process_that_is_killed_while_it_loads_is_started_again(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    root = repository(m=entry(101))
    runner = make_runner()
    async with serving(runner) as plane:
        old = pid_of(plane, "m")
        (root / "m" / "model.yaml").write_text(entry(102, load_delay_s=4))
        loading = asyncio.create_task(plane.load("m"))
        kill(await successor(runner.process.pid, old))
        assert await asked(plane, "m") == 101
        await asyncio.wait_for(loading, LONG_S)
        assert await asked(plane, "m") == 102


async def test_a_runner_that_is_killed_while_it_loads_leaves_nothing(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = repository(m=entry(101), unloaded=entry(201))
    runner = make_runner()
    async with serving(runner) as plane:
        await plane.unload("unloaded")
        old = pid_of(plane, "m")
        (root / "m" / "model.yaml").write_text(entry(102, load_delay_s=3600))
        loading = asyncio.create_task(plane.load("m"))
        new = await successor(runner.process.pid, old)
        kill(runner.process.pid)
        with pytest.raises(ModelNotReady, match="restarted"):
            await loading
        await until_gone(old, new)
    (root / "m" / "model.yaml").write_text(entry(102))
    async with serving(make_runner()) as plane:
        assert await asked(plane, "m") == 102
        assert await asked(plane, "unloaded") == 201, "a runner knows only what the repository says"


async def test_loads_of_a_model_come_one_after_the_other(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = repository(m=entry(100))
    runner = make_runner()
    async with serving(runner) as plane:

        async def change_and_load(context_length: int) -> None:
            (root / "m" / "model.yaml").write_text(entry(context_length))
            await plane.load("m")

        async with in_constant_use(plane, "m"):
            await asyncio.gather(*(change_and_load(101 + number) for number in range(5)), *(plane.load("m") for _ in range(5)))
        assert await asked(plane, "m") == 105
        await until_gone(*(pid for pid in instance_pids(runner.process.pid) if pid != pid_of(plane, "m")))


async def test_whoever_asked_for_a_load_may_go(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = repository(m=entry(101))
    runner = make_runner()
    async with serving(runner) as plane:
        old = pid_of(plane, "m")
        (root / "m" / "model.yaml").write_text(entry(102, load_delay_s=0.3))
        loading = asyncio.create_task(plane.load("m"))
        await successor(runner.process.pid, old)
        loading.cancel()
        async with asyncio.timeout(LONG_S):
            while await asked(plane, "m") != 102:  # noqa: ASYNC110 - nobody tells who left
                await asyncio.sleep(0.02)


async def test_a_successor_that_cannot_load_leaves_the_old_generation_and_what_the_policy_left_out() -> None:
    served = plans(deployed("m", fingerprint="old"))
    async with supervising(*served["m"].deployments, read=lambda name: served[name]) as supervisor:
        old = await until_ready(supervisor, "m")
        served |= plans(deployed("m", TROUBLED, trouble="refuse", fingerprint="new"))
        with pytest.raises(ModelFailed, match="version 1: This entry can never work"):
            await supervisor.load("m")
        assert version_of(supervisor.snapshot, "m").instances == [old]

        served |= plans(deployed("m", TROUBLED, trouble="refuse", version=2, fingerprint="second"))
        with pytest.raises(ModelFailed, match="version 2: This entry can never work"):
            await supervisor.load("m")
        first, second = supervisor.snapshot.versions
        assert (first.state, first.instances) == ("READY", [old])
        assert (second.state, second.reason) == ("FAILED", "This entry can never work.")

        served |= plans(deployed("m", version=2, fingerprint="second"))
        await supervisor.load("m")
        (only,) = [status for status in supervisor.snapshot.versions if status.state == "READY"]
        assert only.version == 2


async def test_an_unload_gives_up_a_load_that_still_reads_the_entry() -> None:
    plan = plans(deployed("m", load_delay_s=3600))["m"]
    reads: list[str] = []
    reading, allowed = threading.Event(), threading.Event()

    def read(name: str) -> Plan:
        reads.append(name)
        if len(reads) == 3:  # the last before the process is started
            reading.set()
            allowed.wait()
        return plan

    async with supervising(read=read) as supervisor, asyncio.timeout(LONG_S):
        loading = asyncio.create_task(supervisor.load("m"))
        await asyncio.to_thread(reading.wait, LONG_S)
        unloading = asyncio.create_task(supervisor.unload("m"))
        for _ in range(3):  # so that it has begun
            await asyncio.sleep(0)
        allowed.set()
        with pytest.raises(ModelFailed, match="unloaded meanwhile"):
            await loading
        await unloading
        assert supervisor.snapshot.versions == []


async def test_the_end_does_not_wait_for_a_load() -> None:
    served = plans(deployed("m", fingerprint="old"))
    async with supervising(*served["m"].deployments, read=lambda name: served[name], policy=IMPATIENT) as supervisor:
        old = await until_ready(supervisor, "m")
        served |= plans(deployed("m", load_delay_s=3600, fingerprint="new"))
        loading = asyncio.create_task(supervisor.load("m"))
        await successor(os.getpid(), old.pid)
        async with asyncio.timeout(LONG_S):
            await supervisor.drain(timeout_s=LONG_S)
            with pytest.raises(ModelFailed, match="shutting down"):
                await loading
        with pytest.raises(ModelNotReady, match="shutting down"):
            await supervisor.load("m")
    assert is_in("m", "UNLOADED")(supervisor.snapshot)


async def test_every_gateway_knows_the_registered_regions(make_runner: MakeRunner) -> None:
    runner = make_runner(m=entry(101))
    memory = SharedMemory(create=True, size=4096)
    region = SharedRegion(name="mine", key="/" + memory.name, byte_size=4000, offset=96)
    try:
        async with serving(runner) as plane, serving(runner) as other:
            await plane.register_region(region)
            assert plane.regions() == [region]
            await runner.until(lambda snapshot: snapshot.regions == [region])
            with pytest.raises(InvalidRequest, match="registered already"):
                await other.register_region(region)
            assert other.regions() == [region]
            await other.unregister_region("mine")
            assert other.regions() == []
            with pytest.raises(InvalidRequest, match="4096 bytes"):
                await plane.register_region(SharedRegion(name="long", key=memory.name, byte_size=4097))
            await plane.register_region(SharedRegion(name="short", key=memory.name, byte_size=1))
            await plane.unregister_region(None)
            assert plane.regions() == []
    finally:
        memory.close()
        memory.unlink()


def test_a_version_can_be_named_in_openai_routes(make_server: ServerFactory, repository: MakeRepository) -> None:
    root = repository(m=entry(101, versions="versions: all"))
    add_version(root, 2, "{context_length: 102}")
    with make_server(root) as server:

        def context_of(model: str) -> int:
            answer = httpx.post(f"{server.url}/tokenize", json={"model": model, "prompt": "a"})
            length: int = answer.json()["max_model_len"]
            return length

        assert (context_of("m:1"), context_of("m:2"), context_of("m")) == (101, 102, 102)
        body = {"model": "m:1", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx.post(f"{server.api}/chat/completions", json=body).json()
        assert answer["choices"][0]["message"]["content"] == "hi"
        missing = httpx.post(f"{server.api}/chat/completions", json={**body, "model": "m:9"})
        assert missing.status_code == 404
        assert "it has 1, 2" in missing.json()["error"]["message"]
        (listed,) = httpx.get(f"{server.api}/models").json()["data"]
        assert (listed["id"], listed["version"]) == ("m", 2)


def test_models_are_loaded_and_unloaded_over_http_and_from_the_command_line(
    make_server: ServerFactory, repository: MakeRepository
) -> None:
    root = repository(m=entry(101))
    with make_server(root) as server:

        def index() -> dict[tuple[str, str], tuple[str, str]]:
            answer = httpx.post(f"{server.url}/v2/repository/index", json={}).json()
            return {(each["name"], each["version"]): (each["state"], each.get("reason", "")) for each in answer}

        def told(command: str, model: str) -> tuple[int, str]:
            done = jubako(command, model, "--url", server.url)
            return done.returncode, done.stderr

        add_version(root, 2, "{context_length: 102}")
        assert httpx.post(f"{server.url}/v2/repository/models/m/load", timeout=LONG_S).status_code == 200
        assert index()["m", "2"] == ("READY", "")
        assert index()["m", "1"][0] == "UNAVAILABLE"

        assert httpx.post(f"{server.url}/v2/repository/models/m/unload", timeout=LONG_S).status_code == 200
        assert index()["m", "2"] == ("UNAVAILABLE", "unloaded")
        assert server.instances == []
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
        assert httpx.post(f"{server.url}/tokenize", json={"model": "m", "prompt": "a"}).status_code == 503

        assert told("load", "m") == (0, "")
        assert index()["m", "2"] == ("READY", "")
        (root / "m" / "model.yaml").write_text("backend: ecko")
        status, words = told("load", "m")
        assert status == 1
        assert "ecko" in words
        status, words = told("load", "n")
        assert status == 1
        assert "no entry 'n'" in words
        assert told("unload", "m") == (0, "")
        assert server.instances == []


def instance_pids(runner: int) -> list[int]:
    """The instances of the runner whose process this is."""
    found: list[int] = []
    for child in psutil.Process(runner).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end at any moment
            if "jubako.runner.instance" in child.cmdline():
                found.append(child.pid)
    return found


async def successor(runner: int, old: int | None) -> int:
    """The process of the generation that loads beside the one of process `old`."""
    async with asyncio.timeout(LONG_S):
        while not (new := [pid for pid in instance_pids(runner) if pid != old]):  # noqa: ASYNC110 - the system tells nobody
            await asyncio.sleep(0.02)
    return new[0]
