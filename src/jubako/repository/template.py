"""The chat template of an entry: a file, or the Jinja text itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from jubako.repository.problem import Problem


@dataclass(frozen=True)
class Template:
    """`text` is None exactly where there are problems."""

    text: str | None
    problems: tuple[Problem, ...] = ()


def read_template(text: str, folder: Path, file: Path, line: int) -> Template:
    """The template that `chat_template` names or is.

    Args:
        text: The field's value. It is a file's name unless it has several lines or Jinja's braces.
        folder: The entry's folder, in which the file must lie.
        file: The model.yaml, and `line` where the field stands in it.
    """
    if "\n" in text or "{{" in text or "{%" in text or "{#" in text:
        # The text of a block begins on the line after its key; text in quotes, on the key's.
        return _check(text, file, line if "\n" in text else line - 1)
    path = folder / text
    if not text or not path.resolve().is_relative_to(folder.resolve()):
        return Template(None, (Problem(file, line, f"`chat_template` must name a file in the entry's folder; it is {text!r}."),))
    if not path.is_file():
        what = f"`chat_template` names {text!r}, but there is no such file in {folder.name}. Write Jinja itself with its braces."
        return Template(None, (Problem(file, line, what),))
    try:
        return _check(path.read_text(encoding="utf-8"), path, 0)
    except (OSError, UnicodeDecodeError):
        return Template(None, (Problem(path, 1, "The template can't be read as text in UTF-8."),))


def _check(text: str, file: Path, lines_before: int) -> Template:
    try:
        Environment(extensions=[loopcontrols, GenerationTag], autoescape=False).parse(text)  # noqa: S701 - only parsed; prompts are not HTML
    except TemplateSyntaxError as error:
        what = f"The chat template is not valid Jinja: {str(error.message).rstrip('.')}."
        return Template(None, (Problem(file, lines_before + error.lineno, what),))
    except RecursionError:
        return Template(None, (Problem(file, lines_before + 1, "The chat template is nested too deep."),))
    return Template(text)


class GenerationTag(Extension):
    """``{% generation %}``, with which templates on the hubs mark the assistant's part; it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
