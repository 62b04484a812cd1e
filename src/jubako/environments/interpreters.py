"""What a Python interpreter is and can import, found by asking it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError

OLDEST = (3, 11)
"""The oldest Python that runs an instance."""

_ASK_TIMEOUT_S = 60.0

_QUESTION = """
import importlib.util, json, sys
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
print(json.dumps({"version": list(sys.version_info[:2]), "missing": missing}))
"""

_IMPORT = """
import importlib, json, sys
wrong = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        wrong[name] = f"{type(error).__name__}: {error}"
sys.stdout.write("\\n" + json.dumps(wrong))
"""


class Answer(Struct, frozen=True):
    """What an interpreter says: its version, such as ``(3, 11)``, and which modules it has not."""

    version: tuple[int, int]
    missing: list[str]


def ask(interpreter: Path, modules: Sequence[str] = ()) -> Answer:
    """Whether it runs, and finds `modules`; none of them is imported.

    Raises:
        ConfigurationError: it is not there, or does not run.
    """
    output = _run(interpreter, _QUESTION, modules, _ASK_TIMEOUT_S)
    try:
        return msgspec.json.decode(output, type=Answer)
    except msgspec.MsgspecError:
        raise ConfigurationError(f"{interpreter} is no Python interpreter.") from None


def import_errors(interpreter: Path, modules: Sequence[str]) -> dict[str, str]:
    """Import each module there; why it failed, by the modules that did. An engine may take a minute.

    Raises:
        ConfigurationError: the interpreter does not run, or ended while importing.
    """
    output = _run(interpreter, _IMPORT, modules, 600)
    return msgspec.json.decode(output.rpartition("\n")[2], type=dict[str, str])


def check_executable(interpreter: Path) -> None:
    """
    Raises:
        ConfigurationError: the file is not there, or can't be executed.
    """
    if not interpreter.exists():
        dangling = " It is a link to a Python that is gone." if interpreter.is_symlink() else ""
        raise ConfigurationError(f"There is no Python interpreter {interpreter}.{dangling}")
    if not interpreter.is_file() or not os.access(interpreter, os.X_OK):
        raise ConfigurationError(f"{interpreter} can't be executed; name a virtual environment's folder or its interpreter.")


def own_version() -> str:
    """The version of this process's Python, such as ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _run(interpreter: Path, code: str, modules: Sequence[str], timeout_s: float) -> str:
    check_executable(interpreter)
    try:
        # -I: neither variables nor the working directory change what is found, as for an instance.
        done = subprocess.run(  # noqa: S603 - no shell reads these arguments
            [interpreter, "-I", "-c", code, *modules],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ConfigurationError(f"{interpreter} can't be started: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{interpreter} did not answer within {timeout_s:g} seconds.") from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
        raise ConfigurationError(f"{interpreter} does not run: {last}")
    return done.stdout
