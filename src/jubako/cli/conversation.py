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
from jubako.model_names import without_version
from jubako.repository.document import Value
from jubako.repository.problem import nearest
from jubako.repository.validation import check_sampling

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
        names = {name for each in models for name in (each.id, *each.aliases)}
        if not {model, without_version(model)} & names:
            raise InvalidRequest(f"The server has no model {model!r}; it has {', '.join(each.id for each in models)}.")
        self.model = model

    def set(self, name: str, value: str | None) -> None:
        """Set a sampling parameter from text; None gives it back to the model's default."""
        names = SamplingParams.__struct_fields__
        if name not in names:
            raise InvalidRequest(f"{name} is not a sampling parameter. {nearest(name, names)}")
        if value is None:
            self.sampling = msgspec.structs.replace(self.sampling, **{name: None})
            return
        tried = [check_sampling({name: reading}) for reading in _readings(value)]
        given = next((checked.value for checked in tried if checked.value is not None), None)
        if given is None:
            raise InvalidRequest(tried[0].faults[0].message)
        self.sampling = given.over(self.sampling)

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


def _readings(value: str) -> list[Value]:
    """What a person may mean by `value`: JSON such as 0.5 or ["a"], the text itself, or a list of one."""
    try:
        parsed = msgspec.json.decode(value)
    except msgspec.DecodeError:
        parsed = value
    return [parsed, value, [parsed], [value]]


def _show(piece: Piece) -> None:
    out.print(Text(piece.text, REASONING if piece.is_reasoning else ""), end="")
    out.file.flush()
