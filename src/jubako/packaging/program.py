"""Other programs, followed line by line."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from jubako.environments.uv import Say
from jubako.errors import ConfigurationError


def follow(command: Sequence[str], *, folder: Path, say: Say, variables: Mapping[str, str]) -> None:
    """Run `command` in `folder`; each line that it writes goes to `say`.

    Args:
        variables: What its environment has besides this process's.

    Raises:
        ConfigurationError: it is not installed, or failed; why is in what it wrote.
    """
    if shutil.which(command[0]) is None:
        raise ConfigurationError(f"{Path(command[0]).name} is not installed.")
    with subprocess.Popen(  # noqa: S603 - no shell reads these arguments
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                say(line.rstrip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        name = shlex.join([Path(command[0]).name, *command[1:2]])
        raise ConfigurationError(f"`{name}` failed with status {process.returncode}; why is above.")
