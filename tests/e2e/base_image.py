"""An image that stands for ``python:3.11-slim``, where Docker Hub can't be reached: Debian's own Python, made of its packages."""

from __future__ import annotations

from tests.e2e.machine import Machine

NAME = "library/python:3.11-slim"
_LEFT_OUT = ("man", "doc", "locale", "info")


def push_base_image(machine: Machine, registry: str) -> None:
    """Make it, and push it to where the machine looks for Docker Hub's."""
    tar = machine.folder / "root.tar"
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _LEFT_OUT]
    # mmdebstrap copies these two of this machine.
    hook = '--customize-hook=rm -f "$1"/etc/resolv.conf "$1"/etc/hostname'
    merged = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
    packages = "--include=usr-is-merged,python3,ca-certificates"
    machine.run(
        "mmdebstrap", "--quiet", "--variant=apt", merged, packages, "--dpkgopt=force-unsafe-io", *left_out, hook, "bookworm", tar
    )
    container = machine.run("buildah", "from", "scratch")
    machine.run("buildah", "add", "--quiet", container, tar, "/")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    machine.run("buildah", "config", f"--env=PATH={path}", container)
    image = f"{registry}/{NAME}"
    machine.run("buildah", "commit", "--quiet", container, image)
    machine.run("buildah", "rm", container)
    machine.run("buildah", "push", "--quiet", image)
    machine.run("buildah", "rmi", image)
    tar.unlink()
