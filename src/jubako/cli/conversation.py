"""A conversation with one model: what was said, how answers are sampled, and the answer as it comes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
from rich.text import Text

from jubako.cli.client import Client, Piece
from jubako.cli.terminal import out
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import Message, SamplingParams

REASONING = "dim italic"


class Conversation:
    """What the model is told grows with each answer; a question without an answer is forgotten."""

    def __init__(self, client: Client, model: str, system: str | None = None) -> None:
        self.client = client
        self.model = model
        self.system = system
        self.sampling = SamplingParams()
        self.turns: list[Message] = []

    @property
    def messages(self) -> list[Message]:
        """All that the model is told, the system message first."""
        return [Message("system", self.system), *self.turns] if self.system else list(self.turns)

    def ask(self, question: str) -> bool:
        """Print the answer as it comes. False if Ctrl-C stopped it; what had come by then stays in the conversation.

        Raises:
            JubakoError: the server refused or went away; the question is forgotten.
        """
        self.turns.append(Message("user", question))
        answer: list[str] = []
        finished = False
        try:
            with closing(self.client.answer(self.model, self.messages, self.sampling)) as pieces:
                for piece in pieces:
                    # Kept before it is shown: Ctrl-C may come at once when it is read.
                    if not piece.is_reasoning:
                        answer.append(piece.text)
                    _show(piece)
            finished = True
        except KeyboardInterrupt:
            pass
        finally:
            self._close_turn("".join(answer), keep=finished)
        return finished

    def retry(self) -> bool:
        """Ask the last question again. See `ask`."""
        while self.turns and self.turns[-1].role != "user":
            self.turns.pop()
        if not self.turns:
            raise InvalidRequest("There is no question to ask again.")
        question = self.turns.pop().content
        assert isinstance(question, str), "questions are typed"
        return self.ask(question)

    def use(self, model: str) -> None:
        """Go on with another model of the server."""
        models = self.client.models()
        if not any(model == each.id or model in each.aliases for each in models):
            raise InvalidRequest(f"The server has no model {model!r}; it has {', '.join(each.id for each in models)}.")
        self.model = model

    def set(self, name: str, value: str | None) -> None:
        """Set a sampling parameter from text; None gives it back to the model's default."""
        given = {key: each for key, each in msgspec.to_builtins(self.sampling).items() if key != name}
        if value is not None:
            given[name] = _read(value)
        elif name not in SamplingParams.__struct_fields__:
            raise InvalidRequest(f"{name} is not a sampling parameter; there are {', '.join(SamplingParams.__struct_fields__)}.")
        try:
            self.sampling = msgspec.convert(given, SamplingParams, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"{name} can't be {value}: {error}.") from None

    def save(self, file: Path) -> None:
        """Write the model's name and the messages as JSON."""
        text = msgspec.json.format(msgspec.json.encode({"model": self.model, "messages": self.messages}), indent=2)
        try:
            file.expanduser().write_bytes(text + b"\n")
        except OSError as error:
            raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None

    def _close_turn(self, answer: str, *, keep: bool) -> None:
        if answer:
            out.print()
        if answer or keep:
            self.turns.append(Message("assistant", answer))
        else:
            self.turns.pop()


def _read(value: str) -> object:
    """A value as a person types it: JSON where it is JSON, such as 0.5, true or ["a"], else the text itself."""
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _show(piece: Piece) -> None:
    out.print(Text(piece.text, REASONING if piece.is_reasoning else ""), end="")
    out.file.flush()
