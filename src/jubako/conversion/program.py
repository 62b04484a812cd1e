"""Runs :mod:`jubako.conversion.gguf_to_hf` in an engine's environment, and hears how far it is."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError

PROGRAM = Path(__file__).with_name("gguf_to_hf.py")

Watch = Callable[[str, float], None]
"""Is told what is being done, and how much of all the work is done, from 0 to 1. What it raises stops the work."""


class Converted(Struct, frozen=True):
    """What the program says when all is done.

    Attributes:
        architecture: Name of the class in transformers.
        parameters: How many numbers the model has.
        chat_template: Whether there is one.
        versions: Of Python and of the packages that did it.
    """

    architecture: str
    parameters: int
    chat_template: bool
    versions: dict[str, str]


class _Said(Struct, frozen=True):
    doing: str = ""
    share: float = 0.0
    refused: str = ""
    converted: Converted | None = None


def run_program(python: str, file: Path, folder: Path, dtype: str, watch: Watch) -> Converted:
    """Have the interpreter `python` fill the empty `folder` from the GGUF file; return once it has, and has checked it.

    Raises:
        ConfigurationError: it can't be done; the sentence says why.
    """
    # Nothing of the model comes from elsewhere, so nothing may ask a hub.
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryFile() as errors:
        # -I: the folder of the program, which holds jubako's modules, is not searched for those that it imports.
        process = subprocess.Popen(  # noqa: S603 - no shell reads these arguments
            [python, "-I", PROGRAM, file, folder, dtype],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **offline},
        )
        with process:  # closes the program's input on the way out, which ends it if it still runs
            try:
                said = _listen(process, watch)
            except BaseException:
                process.kill()
                raise
        if said.refused:
            raise ConfigurationError(said.refused)
        if said.converted is None:
            errors.seek(0)
            raise ConfigurationError(_how_it_ended(process.returncode, errors.read()))
        return said.converted


def _listen(process: subprocess.Popen[bytes], watch: Watch) -> _Said:
    """The last that it says."""
    said = _Said()
    assert process.stdout is not None
    for line in process.stdout:
        try:
            said = msgspec.json.decode(line, type=_Said)
        except msgspec.MsgspecError:
            continue  # a library prints
        if said.doing:
            watch(said.doing, said.share)
    return said


def _how_it_ended(status: int, errors: bytes) -> str:
    last = errors.decode(errors="replace").strip().rpartition("\n")[2]
    if status == -9:
        return "The conversion was killed, as systems do when memory runs out: it needs about twice the size of the new folder."
    return f"The conversion ended with status {status}: {last or 'it did not say why'}"
