"""Makes the deltas of one choice out of what the engine generates for it."""

from __future__ import annotations

from collections import deque

from jubako.backends.text.engine import Piece
from jubako.backends.text.formats.reader import Parsed, Reader
from jubako.backends.text.stop import StopMatcher
from jubako.messages import Delta, FinishReason, TokenLogprob


class ChoiceWriter:
    """Cuts at stop strings, has reasoning and tool calls read, and keeps log probabilities beside the text they belong to.

    Stop strings are looked for in all that the model writes, its reasoning and calls too, as vLLM does it.

    Args:
        index: The choice's place in the answer.
        stop: Strings that end the text.
        include_stop: Whether such a string belongs to the text.
        reader: Tells reasoning and tool calls from text.
    """

    def __init__(self, index: int, stop: list[str], *, include_stop: bool, reader: Reader) -> None:
        self.finished = False
        """Whether the last delta was made; the engine need not go on."""
        self.reasoning_tokens = 0
        """Tokens of the pieces that were reasoning, or ended it."""
        self._index = index
        self._stop = StopMatcher(stop, include=include_stop)
        self._reader = reader
        self._tokens = 0
        self._received = 0
        self._passed = 0
        self._logprobs: deque[tuple[int, TokenLogprob]] = deque()

    def write(self, piece: Piece) -> Delta | None:
        """What the choice gained, or None where nothing is clear yet."""
        if piece.logprobs:
            self._hold_logprobs(piece)
        self._received += len(piece.text)
        text = self._stop.feed(piece.text)
        cut = self._stop.matched is not None
        self.finished = cut or piece.finish_reason is not None
        if self.finished and not cut:
            text += self._stop.flush()
        self._passed += len(text)
        parsed = self._read(piece, text, truncated=cut or piece.finish_reason == "length")
        logprobs = self._clear_logprobs(everything=self.finished and not cut) if self._logprobs else []
        reason = self._finish_reason(piece) if self.finished else None
        if not (parsed.text or parsed.reasoning or parsed.calls or logprobs or reason):
            return None
        return Delta(self._index, parsed.text, parsed.reasoning, parsed.calls, logprobs, reason)

    def _read(self, piece: Piece, text: str, *, truncated: bool) -> Parsed:
        reasoned = self._reader.in_reasoning
        parsed = self._reader.feed(text)
        if reasoned or self._reader.in_reasoning or parsed.reasoning:
            self.reasoning_tokens += piece.completion_tokens - self._tokens
        self._tokens = piece.completion_tokens
        return parsed + self._reader.flush(truncated=truncated) if self.finished else parsed

    def _finish_reason(self, piece: Piece) -> FinishReason:
        if piece.finish_reason == "length" and self._stop.matched is None:
            return "length"
        return "tool_calls" if self._reader.calls and not self._reader.in_call else "stop"

    def _hold_logprobs(self, piece: Piece) -> None:
        start = self._received
        for logprob in piece.logprobs:
            self._logprobs.append((start, logprob))
            start += len(logprob.token)

    def _clear_logprobs(self, *, everything: bool) -> list[TokenLogprob]:
        """Those of tokens whose text has begun to be clear."""
        clear = []
        given = self._passed if self.finished else self._passed - self._reader.held
        while self._logprobs and (everything or self._logprobs[0][0] < given):
            clear.append(self._logprobs.popleft()[1])
        return clear
