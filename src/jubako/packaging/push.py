"""Images from this machine's store to a registry, by the tool that made them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from jubako.environments.uv import Say
from jubako.errors import ConfigurationError
from jubako.packaging.layers import Tool
from jubako.packaging.program import follow


def push_image(image: str, tool: Tool, say: Say, *, plain_http: bool = False) -> str:
    """Push an image to the registry in its name, and return the digest of its manifest there.

    Layers that the registry has are not sent again. Credentials are those that the tool itself finds.

    Args:
        plain_http: Speak to the registry without TLS. Docker wants that in its daemon's own settings.

    Raises:
        ConfigurationError: it can't be pushed; why is in what the tool said.
    """
    with tempfile.TemporaryDirectory(prefix="jubako-push-") as temporary:
        folder = Path(temporary)
        if tool == "docker":
            follow(["docker", "push", image], folder=folder, say=say, variables={})
            return _docker_digest(image)
        options = ["--digestfile", str(folder / "digest"), *(["--tls-verify=false"] if plain_http else [])]
        follow([tool, "push", *options, image], folder=folder, say=say, variables={})
        return (folder / "digest").read_text(encoding="utf-8").strip()


def _docker_digest(image: str) -> str:
    command = ["docker", "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - no shell reads these arguments
    name = image.rpartition(":")[0]
    for line in done.stdout.splitlines():
        if line.startswith(f"{name}@"):
            return line.partition("@")[2]
    raise ConfigurationError(f"Docker does not say which digest {image} has in the registry.")
