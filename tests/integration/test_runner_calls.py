"""Calls through the channel to a real instance: answered, streamed, queued, cancelled, slowed down, finished before the end."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from jubako.channel.connection import Connection
from jubako.channel.frames import CREDIT_WINDOW, AnyFrame, Call, Chunk, Credit, Hello
from jubako.errors import InstanceLost, InvalidRequest, Overloaded, PromptTooLong, Unsupported
from jubako.messages import (
    Caller,
    CompletionRequest,
    Delta,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateResult,
    InferResult,
    TokenizeRequest,
    TokenizeResult,
    Usage,
)
from tests.integration.runner_backends import UNTIL
from tests.integration.runner_serving import (
    LONG_S,
    TROUBLED,
    answer,
    chat,
    completion,
    connected,
    deployed,
    exists,
    instance_of,
    supervising,
    until,
    until_first_text,
    until_gone,
    until_ready,
    version_of,
)

LONG_TEXT = " ".join(map(str, range(2000)))


async def test_every_kind_of_request_is_answered() -> None:
    async with (
        supervising(deployed("echo")) as supervisor,
        connected((await until_ready(supervisor, "echo")).address) as client,
    ):
        assert await answer(client, chat("two words")) == "two words"
        assert await answer(client, chat("one two three", max_tokens=2)) == "one two"
        request = CompletionRequest(model="echo", prompts=["a b", "c"], n=2)
        with client.call(request, stream=False, caller=Caller("r")) as call:
            generated = await call.result()
        assert isinstance(generated, GenerateResult)
        assert [(c.index, c.text) for c in generated.choices] == [(0, "a b"), (1, "a b"), (2, "c"), (3, "c")]
        assert generated.usage == Usage(prompt_tokens=3, completion_tokens=6)
        with client.call(
            EmbedRequest(model="echo", inputs=["x", "y", "x"], dimensions=4), stream=False, caller=Caller("r")
        ) as call:
            embedded = await call.result()
        assert isinstance(embedded, EmbedResult)
        first, second, third = embedded.vectors
        assert first == third != second
        assert len(first) == 4 * 4
        with client.call(TokenizeRequest(model="echo", text="to and fro"), stream=False, caller=Caller("r")) as call:
            tokenized = await call.result()
        assert isinstance(tokenized, TokenizeResult)
        assert len(tokenized.tokens) == 3
        with client.call(DetokenizeRequest(model="echo", tokens=tokenized.tokens), stream=False, caller=Caller("r")) as call:
            assert await call.result() == DetokenizeResult(text="to and fro")


async def test_a_stream_comes_word_by_word_and_adds_up_to_the_whole_answer() -> None:
    words = " ".join(map(str, range(80)))
    async with (
        supervising(deployed("echo", token_delay_s=0.03)) as supervisor,
        connected((await until_ready(supervisor, "echo")).address) as client,
    ):
        with client.call(chat(words), stream=True, caller=Caller("r")) as call:
            batches = [batch async for batch in call.batches()]
        # How many words come together is the machine's to say; all of them are not.
        assert len(batches) > 1
        events = [event for batch in batches for event in batch if not isinstance(event, InferResult)]
        assert [event.text.strip() for event in events if isinstance(event, Delta)] == words.split()
        assert await answer(client, chat(words)) == GenerateResult.from_events(events).choices[0].text == words


async def test_client_errors_keep_their_kind_across_the_channel() -> None:
    async with (
        supervising(deployed("narrow", tasks=["chat"], context_length=3)) as supervisor,
        connected((await until_ready(supervisor, "narrow")).address) as client,
    ):
        with pytest.raises(PromptTooLong, match=r"5 tokens.*at most 3"):
            await answer(client, chat("one two three four five"))
        with pytest.raises(Unsupported, match="'completion'; it serves: chat"):
            await answer(client, CompletionRequest(model="narrow", prompts=["x"]))
        with (
            client.call(TokenizeRequest(model="narrow", text="x"), stream=True, caller=Caller("r")) as call,
            pytest.raises(InvalidRequest, match="without streaming"),
        ):
            await until_first_text(call)


async def test_a_call_that_waits_is_untouched_until_its_turn_and_one_too_many_is_refused() -> None:
    deployment = deployed("small", slots=1, token_delay_s=0.02, max_queue_size=1)
    async with (
        supervising(deployment) as supervisor,
        connected((await until_ready(supervisor, "small")).address) as client,
    ):
        with client.call(chat(LONG_TEXT), stream=True, caller=Caller("first")) as first:
            await until_first_text(first)
            with client.call(chat("second"), stream=True, caller=Caller("second")) as second:
                with pytest.raises(Overloaded):
                    await answer(client, chat("third"))
                # The refusal came after the second call was queued, on the same connection.
                assert second.untouched
                assert not first.untouched
                assert client.load.running == 1
                assert client.load.queued == 1
                first.__exit__(None, None, None)
                await until_first_text(second)
                assert not second.untouched


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cancelled_call_frees_its_place_and_a_cancelled_waiter_its_turn(stream: bool) -> None:
    async with (
        supervising(deployed("small", slots=1, token_delay_s=0.02)) as supervisor,
        connected((await until_ready(supervisor, "small")).address) as client,
    ):
        running = client.call(chat(LONG_TEXT), stream=stream, caller=Caller("running"))
        waiting = client.call(chat(LONG_TEXT), stream=stream, caller=Caller("waiting"))
        with running, waiting:
            await asyncio.sleep(0)
        assert await answer(client, chat("mine now")) == "mine now"
        assert client.load.running <= 1
        assert client.load.queued == 0
        assert client.outstanding == 0


async def test_a_gateway_that_goes_frees_the_places_of_its_calls() -> None:
    async with supervising(deployed("small", slots=1, token_delay_s=0.02)) as supervisor:
        address = (await until_ready(supervisor, "small")).address
        async with connected(address) as staying:
            async with connected(address) as leaving:
                call = leaving.call(chat(LONG_TEXT), stream=True, caller=Caller("abandoned"))
                await until_first_text(call)
            assert await answer(staying, chat("mine now")) == "mine now"


class RawPeer:
    """A gateway's end without its manners: it grants credit only when told to."""

    def __init__(self) -> None:
        self.frames: list[AnyFrame] = []
        self.arrived = asyncio.Event()

    def on_frame(self, connection: Connection, frame: AnyFrame) -> None:
        self.frames.append(frame)
        self.arrived.set()

    def on_closed(self, connection: Connection) -> None:
        pass

    def chunks_of(self, call_id: int) -> list[Chunk]:
        return [frame for frame in self.frames if isinstance(frame, Chunk) and frame.id == call_id]

    async def until_chunks(self, call_id: int, count: int) -> None:
        async with asyncio.timeout(LONG_S):
            while len(self.chunks_of(call_id)) < count:
                self.arrived.clear()
                await self.arrived.wait()


async def test_a_slow_reader_holds_back_its_own_stream_and_no_other() -> None:
    # Both last longer than the test, however late it reads: what comes when a stream is over waits for no credit.
    endless = " ".join(["word"] * 50_000)
    async with supervising(deployed("echo", token_delay_s=0.002, context_length=50_000)) as supervisor:
        address = (await until_ready(supervisor, "echo")).address
        peer = RawPeer()
        _, connection = await asyncio.get_running_loop().create_unix_connection(lambda: Connection(peer), address)
        connection.send(Call(1, chat(endless), True, "slow"))
        await peer.until_chunks(1, CREDIT_WINDOW)
        # Another stream on the same connection, whose reader keeps up.
        connection.send(Call(2, chat(endless), True, "fast"))
        for read in range(10):
            await peer.until_chunks(2, (read + 1) * CREDIT_WINDOW // 2)
            connection.send(Credit(2, CREDIT_WINDOW // 2))
        assert len(peer.chunks_of(1)) == CREDIT_WINDOW
        # What waited comes merged, in one chunk.
        connection.send(Credit(1, 1))
        await peer.until_chunks(1, CREDIT_WINDOW + 1)
        assert len(peer.chunks_of(1)[CREDIT_WINDOW].events) > CREDIT_WINDOW
        assert isinstance(peer.frames[0], Hello)
        connection.close()


async def connect_until_refused(address: str) -> None:
    while True:
        async with connected(address):
            await asyncio.sleep(0.01)


async def test_drain_finishes_the_calls_in_flight_refuses_others_and_leaves_nothing(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    async with supervising(deployed("gated", TROUBLED)) as supervisor:
        instance = await until_ready(supervisor, "gated")
        client_context = connected(instance.address)
        client = await client_context.__aenter__()
        unary = asyncio.create_task(answer(client, completion(f"{UNTIL}{allowed}")))
        await asyncio.sleep(0)
        with client.call(completion(f"{UNTIL}{allowed}"), stream=True, caller=Caller("streamed")) as streamed:
            await until_first_text(streamed)
            draining = asyncio.create_task(supervisor.drain(timeout_s=LONG_S))
            during = await until(supervisor, lambda s: instance_of(s, "gated").state == "DRAINING")
            assert during.draining
            assert version_of(during, "gated").state == "UNAVAILABLE"
            with pytest.raises(OSError, match=r"Connection refused"):
                await connect_until_refused(instance.address)
            with client.call(chat("too late"), stream=False, caller=Caller("late")) as late:
                with pytest.raises(InstanceLost, match="shutting down"):
                    await asyncio.wait_for(late.result(), LONG_S)
                assert late.untouched
            allowed.touch()
            rest = [event async for batch in streamed.batches() for event in batch]
        assert await unary == "begun fine"
        assert any(isinstance(event, Delta) and event.finish_reason == "stop" for event in rest)
        await draining
        assert version_of(supervisor.snapshot, "gated").state == "UNLOADED"
        assert instance_of(supervisor.snapshot, "gated").state == "STOPPED"
        assert not exists(instance.address)
        await until_gone(instance.pid)
        await client_context.__aexit__(None, None, None)


async def test_drain_ends_an_instance_that_does_not_finish_in_time() -> None:
    async with supervising(deployed("echo", token_delay_s=5)) as supervisor:
        instance = await until_ready(supervisor, "echo")
        async with connected(instance.address) as client:
            with client.call(chat(LONG_TEXT), stream=False, caller=Caller("endless")) as call:
                await supervisor.drain(timeout_s=0.3)
                with pytest.raises(InstanceLost):
                    await asyncio.wait_for(call.result(), LONG_S)
        await until_gone(instance.pid)


async def test_drain_while_loading_does_not_wait_for_it() -> None:
    async with supervising(deployed("slow", load_delay_s=3600)) as supervisor:
        loading = await until(supervisor, lambda s: any(i.pid for i in version_of(s, "slow").instances))
        async with asyncio.timeout(LONG_S):
            await supervisor.drain(timeout_s=3600)
        await until_gone(instance_of(loading, "slow").pid)


async def test_snapshots_end_when_all_has_ended() -> None:
    async with supervising(deployed("echo")) as supervisor:
        await until_ready(supervisor, "echo")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONG_S):
                serials = []
                async for snapshot in supervisor.snapshots():
                    serials.append(snapshot.serial)
                    if len(serials) == 1:
                        draining = asyncio.create_task(supervisor.drain(timeout_s=LONG_S))
                await draining
        assert serials == sorted(set(serials))
        assert snapshot.draining
