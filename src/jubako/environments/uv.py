"""The program uv, which makes environments and installs into them."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from jubako.errors import ConfigurationError

Say = Callable[[str], None]
"""Takes each line of what a program says while it works."""

_LAST_WORDS = 30
"""Lines of a failed program that are shown."""

_NOT_PASSED_ON = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT")
"""Variables of the caller's own environment, which must not leak into the one that is made."""


def run_uv(arguments: Sequence[str], *, folder: Path, say: Say, held: Sequence[int] = ()) -> str:
    """Run uv in `folder` and return what it wrote to its standard output.

    Args:
        held: Open files that it inherits; a lock among them is held until uv ends too, even if this process dies before.

    Raises:
        ConfigurationError: there is no uv, or it failed; the message has its last words.
    """
    return run_program([uv_program(), *arguments], folder=folder, say=say, held=held)


def uv_program() -> str:
    """The path of uv.

    Raises:
        ConfigurationError: it is not installed, as in containers, which have all that they need.
    """
    try:
        program: str = import_module("uv").find_uv_bin()
    except (ModuleNotFoundError, FileNotFoundError):
        raise ConfigurationError("The program uv is not there. Install it with: pip install uv") from None
    return program


def run_program(
    command: Sequence[str],
    *,
    folder: Path,
    say: Say,
    held: Sequence[int] = (),
    variables: Mapping[str, str | None] | None = None,
) -> str:
    """Run `command` and return its standard output; each line of its standard error goes to `say`.

    Args:
        variables: What its environment has besides this process's, or, where None, does not have.

    Raises:
        ConfigurationError: it can't be started or failed; the message has its last words.
    """
    words: deque[str] = deque(maxlen=_LAST_WORDS)
    wanted = {**os.environ, **dict.fromkeys(_NOT_PASSED_ON), **(variables or {})}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell reads these arguments
                command,
                cwd=folder,
                env={name: value for name, value in wanted.items() if value is not None}
                | {"NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
                pass_fds=held,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise ConfigurationError(f"{command[0]} can't be started: {error.strerror}.") from None
        with process:
            try:
                for line in process.stderr or ():
                    words.append(line.rstrip())
                    say(line.rstrip())
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise ConfigurationError("\n".join([f"{_shown(command)} failed with status {process.returncode}:", *words]))
        output.seek(0)
        return output.read()


def _shown(command: Sequence[str]) -> str:
    return shlex.join([Path(command[0]).name, *command[1:]])
