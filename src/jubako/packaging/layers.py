"""What an image weighs, by its layers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Literal

from jubako.errors import ConfigurationError
from jubako.packaging.dockerfile import WEIGHTS

Tool = Literal["podman", "docker", "buildah"]
"""What builds images."""

Part = Literal["base", "system", "packages", "weights", "code"]


@dataclass(frozen=True)
class Layer:
    """`size` is in bytes, as the layer is on the disk; `part` says what of the image it is."""

    part: Part
    size: int


def layers_of(image: str, tool: Tool) -> list[Layer]:
    """The layers of an image that `tool` has, podman or docker, the lowest first; empty ones are left out.

    Raises:
        ConfigurationError: there is no such image.
    """
    command = [tool, "history", "--no-trunc", "--human=false", "--format", "{{json .}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell reads these arguments
    if done.returncode:
        raise ConfigurationError(f"The layers of {image} can't be read: {done.stderr.strip()}")
    found = [_read(json.loads(line)) for line in done.stdout.splitlines() if line.strip()]
    return [layer for layer in reversed(found) if layer.size]


def _read(entry: dict[str, object]) -> Layer:
    fields = {name.lower(): value for name, value in entry.items()}
    return Layer(_part(str(fields["createdby"])), int(str(fields["size"])))


def _part(created_by: str) -> Part:
    """By the step of our Dockerfile; whatever it has not is the base image's."""
    if ("COPY dir:" in created_by and WEIGHTS in created_by) or f"COPY {WEIGHTS}" in created_by:
        return "weights"
    if "/app" in created_by and "COPY" in created_by:
        return "packages"
    return "base"
