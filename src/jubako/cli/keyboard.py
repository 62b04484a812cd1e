"""The interactive side of `jubako chat`: lines typed, ``/`` commands, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import readline
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jubako.cli.conversation import Conversation
from jubako.cli.terminal import complain, out
from jubako.errors import InvalidRequest, JubakoError
from jubako.messages import SamplingParams
from jubako.paths import default_cache

PROMPT = ">>> "
MORE = "... "
QUOTES = '"""'
HISTORY_LENGTH = 1000


@dataclass(frozen=True)
class Command:
    """One ``/`` command. `run` is given what follows its name, stripped."""

    usage: str
    help: str
    run: Callable[[str], None]

    @property
    def name(self) -> str:
        return self.usage.split()[0]


class Leave(Exception):
    """The person at the keyboard is done."""


class Keyboard:
    """Reads questions and commands until Ctrl-D or /exit."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._history = default_cache() / "chat_history"
        commands = [
            Command("/help", "this list", self._help),
            Command("/clear", "forget the conversation", self._clear),
            Command("/system TEXT", "set the system message; without text, drop it", self._system),
            Command("/model NAME", "go on with another model; without a name, say which", self._model),
            Command("/models", "the models of the server", self._models),
            Command("/set NAME VALUE", "set a sampling parameter; without a value, reset; alone, list", self._set),
            Command("/retry", "ask the last question again", self._retry),
            Command("/save FILE", "write the conversation as JSON", self._save),
            Command("/exit", "leave, as Ctrl-D does", self._exit),
        ]
        self._commands = {command.name: command for command in commands}

    def run(self) -> None:
        self._begin()
        try:
            while True:
                try:
                    self._handle(read_message())
                except KeyboardInterrupt:
                    out.print(Text("\nCtrl-D leaves.", "dim"))
                except JubakoError as error:
                    complain(error.message)
        except EOFError:
            out.print()  # nobody pressed Enter
        except Leave:
            pass
        finally:
            self._end()

    def _handle(self, message: str) -> None:
        if not message.strip():
            return
        if not message.startswith("/"):
            self._conversation.ask(message)
            return
        name, _, rest = message.partition(" ")
        command = self._commands.get(name)
        if command is None:
            raise InvalidRequest(f"There is no command {name}; /help lists them.")
        command.run(rest.strip())

    # Commands

    def _help(self, _: str) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for command in self._commands.values():
            table.add_row(command.usage, Text(command.help, "dim"))
        table.add_row("\\", Text("at the end of a line: the message goes on in the next", "dim"))
        table.add_row(QUOTES, Text("begins and ends a message of many lines", "dim"))
        table.add_row("Ctrl-C", Text("stops the answer", "dim"))
        out.print(table)

    def _clear(self, _: str) -> None:
        self._conversation.turns.clear()

    def _system(self, text: str) -> None:
        self._conversation.system = text or None

    def _model(self, name: str) -> None:
        if name:
            self._conversation.use(name)
        else:
            out.print(Text(self._conversation.model))

    def _models(self, _: str) -> None:
        for model in self._conversation.client.models():
            here = "*" if model.id == self._conversation.model else " "
            out.print(Text(f"{here} {model.id}  {', '.join(model.tasks)}  {model.state}"))

    def _set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if name:
            self._conversation.set(name, value.strip() or None)
        else:
            for parameter in SamplingParams.__struct_fields__:
                current = getattr(self._conversation.sampling, parameter)
                out.print(Text(f"{parameter:27} {'(as the model has it)' if current is None else current}"))

    def _retry(self, _: str) -> None:
        self._conversation.retry()

    def _save(self, name: str) -> None:
        if not name:
            raise InvalidRequest("Name the file: /save FILE.")
        self._conversation.save(Path(name))

    def _exit(self, _: str) -> None:
        raise Leave

    # Line editing

    def _begin(self) -> None:
        readline.set_history_length(HISTORY_LENGTH)
        try:
            readline.read_history_file(self._history)
        except OSError:
            readline.clear_history()  # the first time, or not ours to read
        out.print(Text.assemble((self._conversation.model, "bold"), ("  /help lists the commands, Ctrl-D leaves", "dim")))

    def _end(self) -> None:
        try:
            self._history.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(self._history)
        except OSError:
            return  # a chat without a place for its history is still a chat


def read_message() -> str:
    """One message: a line, lines that end with a backslash, or lines between triple quotes."""
    line = input(PROMPT)
    if line.startswith(QUOTES):
        return _read_quoted(line.removeprefix(QUOTES))
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1].removesuffix("\\")
        lines.append(input(MORE))
    return "\n".join(lines)


def _read_quoted(first: str) -> str:
    lines = [first]
    while not lines[-1].rstrip().endswith(QUOTES):
        lines.append(input(MORE))
    lines[-1] = lines[-1].rstrip().removesuffix(QUOTES)
    return "\n".join(lines).strip("\n")
