"""The programs that make images, keep them and push them: which of them works on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from typing import Literal

from jubako.errors import ConfigurationError

Tool = Literal["podman", "docker", "buildah"]

TOOLS: Sequence[Tool] = ("podman", "docker", "buildah")
"""The better first: buildah runs no images, and docker needs a daemon."""

_ADVICE = {
    "docker": "`docker version` must show a server: start it with `sudo systemctl start docker` or as Docker Desktop, "
    "and be in the group docker.",
    "podman": "`podman version` must succeed: on a Mac or Windows, begin with `podman machine start`.",
}


def working_tool(wanted: Tool | None = None, *, patience_s: float = 30) -> Tool:
    """`wanted` if it works; without one, the first that does. A docker that is installed without its daemon does not.

    Args:
        patience_s: How long a program may take to say its version, which docker asks its daemon for.

    Raises:
        ConfigurationError: it does not work, or none does; the message says why and what to do.
    """
    faults: dict[Tool, str] = {}
    for tool in (wanted,) if wanted else TOOLS:
        if shutil.which(tool) is None:
            continue
        fault = _fault(tool, patience_s)
        if not fault:
            return tool
        faults[tool] = f"{tool} is installed, but does not work: {fault} {_ADVICE.get(tool, '')}".strip()
    if faults:
        raise ConfigurationError("\n".join(faults.values()))
    if wanted:
        others = " or ".join(f"--backend {tool}" for tool in TOOLS if tool != wanted)
        raise ConfigurationError(f"{wanted} is not installed. Install it, or say {others}.")
    raise ConfigurationError(
        f"Images are built by {', '.join(TOOLS[:-1])} or {TOOLS[-1]}, and none is installed. Install podman or Docker."
    )


def _fault(tool: Tool, patience_s: float) -> str:
    """Why it does not work, as a sentence; "" where it does."""
    try:
        done = subprocess.run([tool, "version"], capture_output=True, text=True, timeout=patience_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"`{tool} version` did not answer within {patience_s:g} s."
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines() or [f"`{tool} version` failed with status {done.returncode}."]
    return said[-1] if said[-1].endswith((".", "?")) else f"{said[-1]}."
