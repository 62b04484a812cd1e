"""Aliases of versions: declared and set, kept over restarts, and passed from version to version while requests run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeVar

import grpc
import httpx
import pytest
import yaml
from google.protobuf.message import Message

from jubako.errors import Conflict, InvalidRequest, ModelFailed, ModelNotFound, ModelNotReady, NotFound
from jubako.messages import Caller, InferRequest
from jubako.protos import jubako_v1 as pb
from jubako.tensors import Tensor
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
    until_answered,
)
from tests.integration.runner_process import MakeRunner
from tests.integration.runner_serving import LONG_S, kill, resume, suspend, until_gone
from tests.unit.cli.command import jubako

M = TypeVar("M", bound=Message)

ENSEMBLE = "backend: ensemble\nengine: {steps: [{model: m@stable, inputs: {text_input: t}, outputs: {text_output: o}}]}\n"

TWO = "aliases: {stable: 1}\nserved_names: ['n:b', 'x@y']"


def two_versions(repository: MakeRepository, text: str = entry(101, versions=TWO)) -> Path:
    """Version 1 says 101, version 2 says 102."""
    root = repository(m=text)
    add_version(root, 2, "{context_length: 102}")
    return root


def kept(root: Path, model: str = "m") -> object:
    return yaml.safe_load((root / model / "aliases.yaml").read_text())


async def test_an_alias_names_a_version_which_is_served_beside_the_latest(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    two_versions(repository)
    async with serving(make_runner(m=entry(101, versions=TWO))) as plane:
        for name in ("m@stable", "n:b@stable", "x@y@stable", "m:1"):
            assert await asked(plane, name) == 101
        for name in ("m", "n:b", "x@y", "m:2"):
            assert await asked(plane, name) == 102
        assert [(status.state, status.aliases) for status in plane.index()] == [("READY", ["stable"]), ("READY", [])]
        with pytest.raises(ModelNotFound, match=r"The model 'm' has no alias 'canary'; it has stable\."):
            await asked(plane, "m@canary")


async def test_no_request_without_a_version_goes_to_one_that_only_an_alias_chooses(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    text = entry(101, versions="versions: [1]\naliases: {canary: 2}")
    two_versions(repository, text)
    async with serving(make_runner(m=text)) as plane:
        assert await asked(plane, "m@canary") == 102
        assert await asked(plane, "m") == 101
        await plane.load("m")
        assert await asked(plane, "m") == 101


async def test_an_alias_passes_to_a_version_that_is_loaded_for_it_and_no_request_is_lost(
    make_runner: MakeRunner, repository: MakeRepository
) -> None:
    text = entry(101, versions="versions: [1]\naliases: {stable: 1, spare: 1}", delay_s=0.02)
    root = two_versions(repository, text)
    runner = make_runner(m=text)
    async with serving(runner) as plane, serving(runner) as other:
        old = pid_of(plane, "m")
        streamed = await saying(plane, "m@stable")
        async with in_constant_use(plane, "m@stable") as answers, in_constant_use(other, "m@stable") as elsewhere:
            await until_answered(101, answers, elsewhere)
            await plane.set_alias("m", "stable", 2)
            assert await asked(plane, "m@stable") == 102, "from the answer on, at the gateway that was asked"
            await until_answered(102, answers, elsewhere)
        assert answers == elsewhere == {101, 102}
        assert await streamed == WORDS
        assert pid_of(plane, "m") == old
        assert kept(root) == {"stable": 2}
        assert await asked(plane, "m") == 101

        # Back again, under load, and at once: what only the alias chose leaves.
        canary = pid_of(plane, "m@stable")
        async with in_constant_use(plane, "m@stable") as answers:
            await plane.set_alias("m", "stable", 1)
            assert await asked(plane, "m@stable") == 101
        await until_gone(canary)
        left_out = "neither the version policy nor an alias chooses it"
        first, second = (await runner.until(lambda snapshot: snapshot.versions[1].reason == left_out)).versions
        assert (second.state, second.aliases, second.instances) == ("UNLOADED", [], [])
        assert (first.state, first.aliases) == ("READY", ["spare", "stable"])


async def test_what_is_set_outlives_the_runner(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = two_versions(repository)
    runner = make_runner(m=entry(101, versions=TWO))
    async with serving(runner) as plane:
        await plane.set_alias("m", "stable", 2)
        await plane.set_alias("m", "previous", 1)
        kill(runner.process.pid)
        await runner.ended()
    runner = make_runner()
    async with serving(runner) as plane:
        assert (await asked(plane, "m@stable"), await asked(plane, "m@previous")) == (102, 101)
        # One that model.yaml declares stays deleted; of another nothing is left.
        await plane.delete_alias("m", "stable")
        await plane.delete_alias("m", "previous")
        assert kept(root) == {"stable": None}
        kill(runner.process.pid)
        await runner.ended()
    async with serving(make_runner()) as plane:
        assert indexed(plane, 1).state == "UNLOADED"
        for alias in ("stable", "previous"):
            with pytest.raises(ModelNotFound, match=f"no alias '{alias}'; it has none"):
                await asked(plane, f"m@{alias}")
        with pytest.raises(NotFound, match="no alias 'stable'; it has none"):
            await plane.delete_alias("m", "stable")


async def test_what_cannot_be_set_changes_nothing(make_runner: MakeRunner, repository: MakeRepository) -> None:
    root = two_versions(repository)
    add_version(root, 3, "{context_length: none}")
    text = entry(101, versions="versions: [2]\naliases: {stable: 2}")
    async with serving(make_runner(m=text)) as plane:
        before = plane.index()
        for alias in ("a b", "@a", "2", "", "a:1"):
            with pytest.raises(InvalidRequest, match="can't be an alias"):
                await plane.set_alias("m", alias, 1)
        with pytest.raises(ModelNotFound, match="no version 7; it has 1, 2, 3"):
            await plane.set_alias("m", "stable", 7)
        with pytest.raises(ModelNotFound, match="no entry 'n'"):
            await plane.set_alias("n", "stable", 1)
        with pytest.raises(ModelFailed, match="context_length"):
            await plane.set_alias("m", "stable", 3)
        # What lies in the way of the file keeps it from being written, whoever the server runs as.
        (root / "m" / "aliases.yaml" / "in-the-way").mkdir(parents=True)
        with pytest.raises(Conflict, match=r"nothing was changed.*aliases.yaml can't be written"):
            await plane.set_alias("m", "stable", 1)
        with pytest.raises(Conflict, match="nothing was changed"):
            await plane.delete_alias("m", "stable")
        assert await asked(plane, "m@stable") == 102
        assert [(s.version, s.aliases, s.has_name) for s in plane.index()] == [(s.version, s.aliases, s.has_name) for s in before]
        assert indexed(plane, 1).state == "UNLOADED"


async def test_a_version_that_is_not_there_fails_alone(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101, versions="aliases: {stable: 1, gone: 9}")
    two_versions(repository, text)
    async with serving(make_runner(m=text)) as plane:
        assert (await asked(plane, "m"), await asked(plane, "m@stable")) == (102, 101)
        with pytest.raises(ModelFailed, match="'gone' means version 9, but there is no folder m/9"):
            await asked(plane, "m@gone")
        # The broken alias is in nobody's way.
        await plane.set_alias("m", "stable", 2)
        await plane.delete_alias("m", "gone")
        assert await asked(plane, "m@stable") == 102


async def test_a_bad_latest_version_is_avoided_by_an_alias(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101)
    add_version(repository(m=text), 2, "{context_length: none}")
    async with serving(make_runner(m=text)) as plane:
        with pytest.raises(ModelFailed):
            await asked(plane, "m")
        await plane.set_alias("m", "stable", 1)
        assert await asked(plane, "m@stable") == 101
        with pytest.raises(ModelFailed):
            await asked(plane, "m")


async def test_a_model_that_is_not_loaded_is_loaded_for_its_alias(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101, versions="autoload: false\naliases: {stable: 1}")
    two_versions(repository, text)
    async with serving(make_runner(m=text, other=entry(7))) as plane:
        with pytest.raises(ModelNotReady, match="jubako load m"):
            await asked(plane, "m@stable")
        await plane.delete_alias("m", "stable")
        assert indexed(plane, 2).state == "UNLOADED"
        await plane.set_alias("m", "stable", 1)
        assert (await asked(plane, "m@stable"), await asked(plane, "m")) == (101, 102)
        await plane.unload("m")
        with pytest.raises(ModelNotReady, match="unloaded"):
            await asked(plane, "m@stable")


async def test_a_load_goes_by_what_the_files_say_then(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101, versions="aliases: {stable: 1}")
    root = two_versions(repository, text)
    async with serving(make_runner(m=text)) as plane:
        kept_pids = pid_of(plane, "m:1"), pid_of(plane, "m:2")
        await plane.set_alias("m", "canary", 2)
        (root / "m" / "model.yaml").write_text(entry(101, versions="aliases: {stable: 2, old: 1}"))
        async with in_constant_use(plane, "m@stable") as answers:
            await plane.load("m")
            assert await asked(plane, "m@stable") == 102
        assert answers <= {101, 102}
        assert (indexed(plane, 1).aliases, indexed(plane, 2).aliases) == (["old"], ["canary", "stable"])
        assert (pid_of(plane, "m:1"), pid_of(plane, "m:2")) == kept_pids, "an alias is no reason for another process"
        (root / "m" / "aliases.yaml").write_text("canary: seven\n")
        with pytest.raises(ModelFailed, match=r"aliases.yaml:1: The alias 'canary' must mean a version's number"):
            await plane.load("m")
        with pytest.raises(Conflict, match=r"aliases.yaml:1"):
            await plane.set_alias("m", "stable", 1)
        assert await asked(plane, "m@stable") == 102


async def test_ensembles_ask_by_aliases(make_runner: MakeRunner, repository: MakeRepository) -> None:
    """An ensemble over one of text: each step asks the version that the alias means at that moment."""
    root = two_versions(repository)
    (root / "e").mkdir()
    (root / "e" / "model.yaml").write_text(ENSEMBLE)
    async with serving(make_runner(m=entry(101, versions=TWO))) as plane:
        request = InferRequest(model="e", inputs=[Tensor("t", "BYTES", [1], b"\x02\x00\x00\x00hi")])
        counts = []
        for number in (1, 2):
            await plane.set_alias("m", "stable", number)
            (output,) = (await plane.infer(request, Caller("test"))).outputs
            assert bytes(output.data)[4:] == b"hi"
            counts.append([(await plane.statistics(f"m:{version}")).requests for version in (1, 2)])
        assert counts == [[1, 0], [0, 1]], "version 1 has left"


async def test_an_alias_is_set_only_once_what_asks_others_goes_by_it(make_runner: MakeRunner, repository: MakeRepository) -> None:
    text = entry(101, versions="versions: all\naliases: {stable: 1}")
    root = two_versions(repository, text)
    (root / "e").mkdir()
    (root / "e" / "model.yaml").write_text(ENSEMBLE)
    runner = make_runner(m=text)
    async with serving(runner) as plane:
        asking = pid_of(plane, "e")
        suspend(asking)
        setting = asyncio.create_task(plane.set_alias("m", "stable", 2))
        await runner.until(lambda snapshot: any((s.version, s.aliases) == (2, ["stable"]) for s in snapshot.versions))
        over, _ = await asyncio.wait((setting,), timeout=0.5)
        resume(asking)
        assert not over, "the ensemble would still have asked version 1"
        await asyncio.wait_for(setting, LONG_S)
        await plane.infer(InferRequest(model="e", inputs=[Tensor("t", "BYTES", [1], b"\x02\x00\x00\x00hi")]), Caller("test"))
        assert [(await plane.statistics(f"m:{version}")).requests for version in (1, 2)] == [0, 1]


def test_aliases_over_http_grpc_and_from_the_command_line(make_server: ServerFactory, repository: MakeRepository) -> None:
    root = two_versions(repository, entry(101, versions="versions: [1]"))
    with make_server(root) as server, grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        aliases = f"{server.url}/v2/repository/models/m/aliases"

        def context_of(model: str) -> int:
            length: int = httpx.post(f"{server.url}/tokenize", json={"model": model, "prompt": "a"}).json()["max_model_len"]
            return length

        def call(service: str, method: str, request: Message, answer: type[M]) -> M:
            ask: grpc.UnaryUnaryMultiCallable[Message, M] = channel.unary_unary(
                f"/jubako.v1.{service}/{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            return ask(request, timeout=LONG_S)

        done = httpx.post(f"{aliases}/canary", json={"version": 2}, timeout=LONG_S)
        assert (done.status_code, done.json()) == (200, {"model": "m", "alias": "canary", "version": 2})
        assert (context_of("m@canary"), context_of("m")) == (102, 101)
        (listed,) = httpx.get(f"{server.api}/models").json()["data"]
        assert (listed["version"], listed["version_aliases"]) == (1, {"canary": 2})
        assert httpx.get(f"{server.api}/models/m@canary").json()["version"] == 2
        assert httpx.get(f"{server.url}/v2/models/m@canary/ready").status_code == 200
        assert httpx.get(f"{server.url}/v2/models/m/versions/canary/ready").status_code == 200
        wrong = httpx.get(f"{server.url}/v2/models/m/versions/none/ready")
        assert (wrong.status_code, wrong.json()["error"]) == (404, "The model 'm' has no alias 'none'; it has canary.")
        assert [each["aliases"] for each in httpx.get(f"{server.url}/v1/stat").json()["data"]] == [[], ["canary"]]

        answer = call(
            "RepositoryService", "SetAlias", pb.SetAliasRequest(model="m", alias="stable", version=1), pb.SetAliasResponse
        )
        assert (answer.version.version, list(answer.version.aliases)) == (1, ["stable"])
        got = call("ModelService", "GetModel", pb.GetModelRequest(model="m@canary"), pb.GetModelResponse)
        assert got.model.version == 2
        for model, code in (("m", grpc.StatusCode.NOT_FOUND), ("nobody", grpc.StatusCode.NOT_FOUND)):
            with pytest.raises(grpc.RpcError) as failed:
                call("RepositoryService", "DeleteAlias", pb.DeleteAliasRequest(model=model, alias="x"), pb.DeleteAliasResponse)
            assert failed.value.code() == code
        call("RepositoryService", "DeleteAlias", pb.DeleteAliasRequest(model="m", alias="stable"), pb.DeleteAliasResponse)

        done = httpx.delete(f"{aliases}/stable")
        assert (done.status_code, done.json()["error"]) == (404, "The model 'm' has no alias 'stable'; it has canary.")
        assert httpx.post(f"{aliases}/canary", json={"version": 0}).status_code == 400
        assert httpx.post(f"{aliases}/2", json={"version": 2}).status_code == 400
        assert httpx.get(f"{aliases}/canary").status_code == 405

        def told(*words: str) -> tuple[int, str]:
            ended = jubako("alias", *words, "--url", server.url)
            return ended.returncode, ended.stderr

        assert told("m", "canary", "1") == (0, "")
        assert context_of("m@canary") == 101
        assert told("m", "canary", "--delete") == (0, "")
        status, words = told("m", "canary", "--delete")
        assert (status, "no alias 'canary'" in words) == (1, True)
        assert told("m", "canary")[0] == told("m", "canary", "1", "--delete")[0] == 2

        (root / "m" / "aliases.yaml").unlink()
        (root / "m" / "aliases.yaml" / "in-the-way").mkdir(parents=True)
        assert httpx.post(f"{aliases}/stable", json={"version": 1}).status_code == 409
        with pytest.raises(grpc.RpcError) as refused:
            call("RepositoryService", "SetAlias", pb.SetAliasRequest(model="m", alias="stable", version=1), pb.SetAliasResponse)
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
