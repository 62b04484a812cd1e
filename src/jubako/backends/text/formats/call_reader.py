"""What the readers of tool calls share."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar
from uuid import uuid4

from jubako.backends.text.formats.json_call import HEADER, ObjectScanner, may_be_call, parse_call
from jubako.backends.text.formats.reader import Parsed, Reader
from jubako.backends.text.stop import StopMatcher
from jubako.messages import ToolCallDelta

State = Callable[[], bool]


class CallReader(Reader):
    """Tells calls from text.

    Each state is a method that consumes some of `_buffer` and says whether it got on; it never consumes what it is not sure of,
    so that cuts make no difference. `_lead` is what was consumed of a call that may turn out to be none, and is text then;
    `_marked` says that what was held back is meant as a call, whatever becomes of it.
    """

    OPENINGS: ClassVar[tuple[str, ...]]
    """Strings that may begin a call, wherever they stand."""

    def __init__(self) -> None:
        self._state: State = self._in_text
        self._after_arguments: State = self._in_text
        self._buffer = ""
        self._lead = ""
        self._begun = 0
        self._marked = False
        self._closing = StopMatcher([])
        self._opening = StopMatcher(list(self.OPENINGS))
        self._arguments = ObjectScanner()
        self._text: list[str] = []
        self._deltas: list[ToolCallDelta] = []

    @abstractmethod
    def _opened(self, opening: str) -> State:
        """The state after `opening`, one of `OPENINGS`."""

    def _whole(self, buffer: str) -> bool:
        """The text ends with `buffer`, which is no complete call in this form: whether it was emitted as one nevertheless."""
        return False

    @property
    def calls(self) -> int:
        return self._begun

    @property
    def in_call(self) -> bool:
        return bool(self._marked and self._lead) or self._state == self._in_arguments

    @property
    def held(self) -> int:
        return len(self._lead) + len(self._buffer) + self._opening.held

    def feed(self, piece: str) -> Parsed:
        self._buffer += piece
        while self._buffer and self._state():
            pass
        return self._take()

    def flush(self, *, truncated: bool) -> Parsed:
        if self._state == self._in_text:
            self._text.append(self._opening.flush())
        elif not self._whole(self._buffer) and not (truncated and self._marked):
            self._text.append(self._lead + self._buffer)
        self._buffer = ""
        return self._take()

    def _take(self) -> Parsed:
        parsed = Parsed(text="".join(self._text), calls=self._deltas)
        self._text, self._deltas = [], []
        return parsed

    def _in_text(self) -> bool:
        self._text.append(self._opening.feed(self._buffer))
        self._buffer = ""
        opening = self._opening.matched
        if opening is None:
            return False
        self._buffer = self._opening.rest
        self._opening = StopMatcher(list(self.OPENINGS))
        self._lead = opening
        self._marked = True
        self._state = self._opened(opening)
        return True

    def _in_arguments(self) -> bool:
        end = self._arguments.scan(self._buffer)
        self._deltas.append(ToolCallDelta(self._begun - 1, arguments=self._consume(end)))
        if self._arguments.complete:
            self._state = self._after_arguments
        return self._arguments.complete

    def _between(self) -> bool:
        """After a call: what breaks lines and sets calls apart belongs to the form."""
        self._buffer = self._buffer.lstrip()
        if self._buffer:
            self._state = self._in_text
        return bool(self._buffer)

    def _consume(self, length: int) -> str:
        consumed, self._buffer = self._buffer[:length], self._buffer[length:]
        return consumed

    def _take_as_lead(self, length: int) -> None:
        self._lead += self._consume(length)

    def _take_space_as_lead(self) -> None:
        self._take_as_lead(len(self._buffer) - len(self._buffer.lstrip()))

    def _no_call(self) -> bool:
        """What was consumed, and what follows, is text after all."""
        self._text.append(self._lead)
        self._lead = ""
        self._marked = False
        self._state = self._in_text
        return True

    def _skip(self) -> str | None:
        """Drop all up to and including one of the strings that `_begin_arguments` was told of; gives that string."""
        self._closing.feed(self._buffer)
        self._buffer = self._closing.rest
        return self._closing.matched

    def _begin(self, name: str, call_id: str | None = None) -> None:
        # An escape may spell half a character, which no message can carry.
        name = name.encode("utf-8", "replace").decode()
        self._deltas.append(ToolCallDelta(self._begun, id=call_id or self._new_id(), name=name))
        self._begun += 1
        self._lead = ""
        self._marked = True

    def _begin_arguments(self, then: State, *closings: str) -> None:
        """The buffer begins with the arguments, a JSON object; after them comes some form, which ends with one of `closings`."""
        self._arguments = ObjectScanner()
        self._closing = StopMatcher(list(closings))
        self._after_arguments = then
        self._state = self._in_arguments

    def _new_id(self) -> str:
        return f"call_{uuid4().hex[:24]}"

    def _emit(self, name: str, arguments: object) -> None:
        """A call that is complete."""
        self._begin(name)
        self._deltas.append(ToolCallDelta(self._begun - 1, arguments=json.dumps(arguments)))


class JsonCallReader(CallReader):
    """Reads calls that are JSON objects with nothing but brackets to tell where they end."""

    def __init__(self) -> None:
        super().__init__()
        self._object = ObjectScanner()
        self._scanned = 0
        self._rest = ObjectScanner()

    @abstractmethod
    def _after_object(self) -> bool:
        """The state after a call."""

    def _calls(self, name: str) -> bool:
        """Whether an object with this name calls a function."""
        return True

    def _begin_object(self) -> None:
        """The buffer begins with an object that may be a call."""
        self._object = ObjectScanner()
        self._scanned = 0
        self._state = self._in_object

    def _in_object(self) -> bool:
        header = HEADER.match(self._buffer)
        if header is not None:
            name = json.loads(header[1], strict=False)
            if not self._calls(name):
                return self._no_call()
            self._begin(name)
            self._consume(header.end())
            self._rest = ObjectScanner(depth=1)
            self._begin_arguments(self._in_rest)
            return True
        if not may_be_call(self._buffer):
            return self._no_call()
        self._scanned += self._object.scan(self._buffer[self._scanned :])
        if not self._object.complete:
            return False
        if not self._whole(self._buffer[: self._scanned]):
            return self._no_call()
        self._consume(self._scanned)
        self._state = self._after_object
        return True

    def _in_rest(self) -> bool:
        """What an object says after its arguments."""
        self._consume(self._rest.scan(self._buffer))
        if self._rest.complete:
            self._state = self._after_object
        return self._rest.complete

    def _whole(self, buffer: str) -> bool:
        call = parse_call(buffer) if self._state == self._in_object else None
        if call is None or not self._calls(call[0]):
            return False
        self._emit(*call)
        return True
