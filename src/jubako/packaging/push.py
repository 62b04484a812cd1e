"""Images from this machine's store to a registry, by the tool that made them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from jubako.environments.uv import Say
from jubako.errors import ConfigurationError
from jubako.packaging.program import follow
from jubako.packaging.tool import Tool

_DIGEST = re.compile(r": digest: (sha256:[0-9a-f]{64})")
"""In the last line of ``docker push``: ``TAG: digest: sha256:... size: 1234``."""


def push_image(image: str, tool: Tool, say: Say, *, plain_http: bool = False) -> str:
    """Push an image to the registry in its name, and return the digest of its manifest there.

    Layers that the registry has are not sent again. Credentials are those that the tool itself finds.

    Args:
        plain_http: Speak to the registry without TLS. Docker wants that in its daemon's own settings.

    Raises:
        ConfigurationError: it can't be pushed; why is in what the tool said.
    """
    if tool == "docker":
        return _push_with_docker(image, say)
    with tempfile.TemporaryDirectory(prefix="jubako-push-") as temporary:
        folder = Path(temporary)
        options = ["--digestfile", str(folder / "digest"), *(["--tls-verify=false"] if plain_http else [])]
        follow([tool, "push", *options, image], folder=folder, say=say, variables={})
        return (folder / "digest").read_text(encoding="utf-8").strip()


def _push_with_docker(image: str, say: Say) -> str:
    # `docker image inspect` names a digest for every push of the same image, and Docker Hub's without their registry.
    lines: list[str] = []

    def listen(line: str) -> None:
        lines.append(line)
        say(line)

    follow(["docker", "push", image], folder=Path.cwd(), say=listen, variables={})
    for line in reversed(lines):
        if found := _DIGEST.search(line):
            return found[1]
    raise ConfigurationError(f"Docker does not say which digest {image} has in the registry.")
