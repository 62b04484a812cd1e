"""Makes the deltas of one choice out of what the engine generates for it."""

from __future__ import annotations

from collections import deque

from jubako.backends.text.engine import Piece
from jubako.backends.text.stop import StopMatcher
from jubako.backends.text.tool_parser import Parsed, ToolCallParser
from jubako.messages import Delta, FinishReason, TokenLogprob


class ChoiceWriter:
    """Cuts at stop strings, reads tool calls, and keeps log probabilities beside the text they belong to.

    Args:
        index: The choice's place in the answer.
        stop: Strings that end the text.
        include_stop: Whether such a string belongs to the text.
        tools: Whether the text may hold tool calls.
    """

    def __init__(self, index: int, stop: list[str], *, include_stop: bool, tools: bool) -> None:
        self.finished = False
        """Whether the last delta was made; the engine need not go on."""
        self._index = index
        self._stop = StopMatcher(stop, include=include_stop)
        self._parser = ToolCallParser() if tools else None
        self._received = 0
        self._clear = 0
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
        self._clear += len(text)
        logprobs = self._clear_logprobs(everything=self.finished and not cut) if self._logprobs else []
        parsed = self._parse(text, truncated=cut or piece.finish_reason == "length")
        reason = self._finish_reason(piece) if self.finished else None
        if not (parsed.text or parsed.calls or logprobs or reason):
            return None
        return Delta(self._index, text=parsed.text, tool_calls=parsed.calls, logprobs=logprobs, finish_reason=reason)

    def _parse(self, text: str, *, truncated: bool) -> Parsed:
        if self._parser is None:
            return Parsed(text)
        parsed = self._parser.feed(text)
        if not self.finished:
            return parsed
        rest = self._parser.flush(truncated=truncated)
        return Parsed(parsed.text + rest.text, parsed.calls + rest.calls)

    def _finish_reason(self, piece: Piece) -> FinishReason:
        if piece.finish_reason == "length" and self._stop.matched is None:
            return "length"
        called = self._parser is not None and self._parser.calls and not self._parser.in_call
        return "tool_calls" if called else "stop"

    def _hold_logprobs(self, piece: Piece) -> None:
        start = self._received
        for logprob in piece.logprobs:
            self._logprobs.append((start, logprob))
            start += len(logprob.token)

    def _clear_logprobs(self, *, everything: bool) -> list[TokenLogprob]:
        """Those of tokens whose text has begun to be given out."""
        clear = []
        while self._logprobs and (everything or self._logprobs[0][0] < self._clear):
            clear.append(self._logprobs.popleft()[1])
        return clear
