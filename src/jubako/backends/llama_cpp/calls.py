"""Blocking calls into llama.cpp, each in a thread, whose chunks the event loop receives in bursts."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from jubako.backends.llama_cpp.chunks import Chunk, EngineError, decode_chunk

log = logging.getLogger(__name__)


class CompletionServer(Protocol):
    """What a call needs of `xllamacpp.Server`. It blocks, without the GIL, until the answer ends or `callback` is true."""

    def handle_completions(self, body: bytes, callback: Callable[[bytes], bool]) -> None: ...


class GenerationCall:
    """One call of llama.cpp's completions handler: `run` in a thread, everything else in the loop.

    Args:
        mailbox: Brings the chunks from the thread to the loop.
        body: What to ask.
        on_prompt_in: Called once, when the last step of the prompt is being computed or the call is over.
    """

    def __init__(self, mailbox: Mailbox, body: bytes, on_prompt_in: Callable[[], None]) -> None:
        self._on_prompt_in = on_prompt_in
        self._prompt_in = False
        self._mailbox = mailbox
        self._body = body
        self._cancelled = False
        self._chunks: list[Chunk] = []
        self._arrived = asyncio.Event()
        self._over = asyncio.Event()

    def run(self, server: CompletionServer) -> None:
        """Return when llama.cpp's slot is free again."""
        try:
            if not self._cancelled:
                server.handle_completions(self._body, self._on_chunk)
        except Exception as error:
            self._mailbox.post(self, _failure(error))
        finally:
            self._mailbox.post(self, None)

    def cancel(self) -> None:
        """llama.cpp hears of it with its next chunk, which is one step away."""
        self._cancelled = True

    async def over(self) -> None:
        await self._over.wait()

    async def chunks(self) -> list[Chunk]:
        """All that have come since the last time, waiting for one; empty once the call is over."""
        while not self._chunks and not self._over.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        chunks, self._chunks = self._chunks, []
        return chunks

    def receive(self, chunk: Chunk | None, step: int) -> None:
        """`chunk` has come, or None as the last; `step` is how many tokens llama.cpp computes at once."""
        if chunk is None:
            self._over.set()
        elif not self._cancelled:
            self._chunks.append(chunk)
        progress = chunk.prompt_progress if chunk is not None else None
        if progress is None or progress.total - progress.processed <= step:
            self._note_prompt_in()
        self._arrived.set()

    def _note_prompt_in(self) -> None:
        if not self._prompt_in:
            self._prompt_in = True
            self._on_prompt_in()

    def _on_chunk(self, data: bytes) -> bool:
        # An exception here would end the answer without a word.
        try:
            self._mailbox.post(self, data)
        except Exception:
            log.exception("a chunk of llama.cpp's was lost")
            return True
        return self._cancelled


class Mailbox:
    """Takes chunks from many threads and gives them to the loop, with one wake-up for all that come together.

    Args:
        step: How many tokens llama.cpp computes at once.
    """

    def __init__(self, step: int) -> None:
        self.received = 0
        """Chunks so far."""
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._letters: deque[tuple[GenerationCall, bytes | Chunk | None]] = deque()
        self._called = False

    def post(self, call: GenerationCall, letter: bytes | Chunk | None) -> None:
        """A letter goes in before `_called` is read and comes out after it is cleared, so none is left behind."""
        self._letters.append((call, letter))
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False
        letters = self._letters
        while letters:
            call, letter = letters.popleft()
            self.received += 1
            call.receive(decode_chunk(letter) if isinstance(letter, bytes) else letter, self._step)


def _failure(error: Exception) -> Chunk:
    return Chunk(error=EngineError(500, f"{type(error).__name__}: {error}"))
