"""What an image weighs, by its layers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Literal

from jubako.errors import ConfigurationError
from jubako.packaging.tool import Tool

Part = Literal["base", "system", "packages", "weights", "jubako", "code"]
"""What of an image a layer is. `base` is the image under ours, `system` what was added to that, `code` the bento without weights
and without jubako itself."""


@dataclass(frozen=True)
class Layer:
    """`size` is in bytes, as the layer is on the disk."""

    part: Part
    size: int


def layers_of(image: str, tool: Tool) -> list[Layer]:
    """The layers of an image that `tool` has made, the lowest first; those of a part as one, and none without files.

    Raises:
        ConfigurationError: there is no such image.
    """
    steps = _steps(image, tool)
    packages = next((index for index, (made_by, _) in enumerate(steps) if "COPY" in made_by and "/app" in made_by), len(steps))
    places = [index for index, (made_by, _) in enumerate(steps) if "COPY" in made_by and index > packages]
    system = next((index for index, (made_by, _) in enumerate(steps) if "/etc/passwd" in made_by), packages)
    copied: list[Part] = ["weights", "jubako", "code"]
    parts = dict(zip(places, copied[-len(places) :], strict=True)) | {packages: "packages"}
    sizes: dict[Part, int] = {}
    for index, (_, size) in enumerate(steps):
        part = parts.get(index, "base" if index < system else "system")
        sizes[part] = sizes.get(part, 0) + size
    return [Layer(part, size) for part, size in sizes.items() if size]


def _steps(image: str, tool: Tool) -> list[tuple[str, int]]:
    """What made each layer, the lowest first, and its size."""
    command = [tool, "history", "--no-trunc", "--human=false", "--format", "json" if tool == "podman" else "{{json .}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell reads these arguments
    if done.returncode:
        raise ConfigurationError(f"The layers of {image} can't be read: {done.stderr.strip()}")
    found = json.loads(done.stdout) if tool == "podman" else [json.loads(line) for line in done.stdout.splitlines()]
    return [(str(entry.get("CreatedBy", "")), int(entry.get("size", entry.get("Size", 0)))) for entry in reversed(found)]
