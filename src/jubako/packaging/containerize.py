"""From a bento to a container's image, with BentoML's context and builders, and a Dockerfile of our own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.container import construct_containerfile, get_backend
from bentoml.exceptions import NotFound

from jubako.environments.uv import Say, uv_program
from jubako.errors import ConfigurationError
from jubako.packaging.dockerfile import BENTO, CODE, FRAMEWORK, UV, WEIGHTS, WHEELS, Declared, dockerfile, index_settings
from jubako.packaging.program import follow
from jubako.packaging.tool import Tool
from jubako.packaging.torch_wheel import fetch_torch
from jubako.packaging.weights import STORED

_OCI_LABELS = {"version": "version", "license": "licenses", "revision": "revision"}
"""Labels of a bento that the OCI image specification has names for."""


def containerize(tag: str, names: Sequence[str], tool: Tool, say: Say, *, torch_index: str = "") -> None:
    """Make an image of the bento `tag`.

    Args:
        names: Of the image, such as ``registry.example.org/models/smollm2:1``.
        torch_index: An index of torch's builds without CUDA; "" leaves that to pip's configuration.
        say: Takes each line of what the tool says.

    Raises:
        ConfigurationError: there is no such bento, or it could not be built; the message has the tool's last words.
    """
    try:
        bento = BentoMLContainer.bento_store.get().get(tag)
    except NotFound:
        raise ConfigurationError(f"There is no bento {tag}; `bentoml list` shows which there are.") from None
    image = bento.info.image
    declared = Declared(
        base_image=image.base_image,
        python_version=image.python_version,
        commands=image.commands,
        post_commands=image.post_commands,
        environment={env.name: env.value for env in bento.info.envs if env.stage != "build"},
        labels=labels_of(bento.info.labels, str(bento.tag)),
    )
    secrets = index_settings(os.environ)
    with ExitStack() as stack:
        folder, file = (Path(each) for each in stack.enter_context(construct_containerfile(bento)))
        _set_apart(folder)
        brings_torch = bento.info.labels.get("variant") == "cpu"
        if brings_torch:
            fetch_torch(folder / "env" / "python" / "requirements.txt", folder / WHEELS, torch_index, say)
        text = dockerfile(
            declared,
            weights=(folder / WEIGHTS).is_dir(),
            brings_uv=_bring_uv(folder),
            brings_wheels=brings_torch,
            secrets=secrets,
        )
        file = file.rename(folder / "Dockerfile")
        file.write_text(text, encoding="utf-8")
        files = stack.enter_context(_in_files(secrets))
        builder = get_backend(tool)
        options = {
            "file": str(file),
            "context_path": str(folder),
            "tag": tuple(names),
            # Without the type, podman takes the path for the name of a variable where one has the secret's name.
            "secret": tuple(f"id={name},type=file,src={path}" for name, path in files.items()),
            **_options(tool),
        }
        command = [builder.binary, *builder.build_cmd, *builder.construct_build_args(**options)]
        follow(command, folder=folder, say=say, variables=_variables(tool))


def labels_of(labels: Mapping[str, str], tag: str) -> dict[str, str]:
    """The labels of the image of a bento with these labels."""
    ours = {f"jubako.{name}": value for name, value in labels.items()} | {"jubako.bento": tag}
    standard = {f"org.opencontainers.image.{_OCI_LABELS[name]}": labels[name] for name in _OCI_LABELS if name in labels}
    return dict(sorted({**ours, **standard, "org.opencontainers.image.title": labels.get("model", tag)}.items()))


def _options(tool: Tool) -> dict[str, object]:
    if tool == "docker":
        return {}
    # Docker's format has health checks, the OCI's has none.
    options: dict[str, object] = {"format": "docker", "timestamp": _epoch()}
    return options | {"layers": True} if tool == "buildah" else options


def _variables(tool: Tool) -> dict[str, str]:
    if tool != "docker":
        return {"DOCKER_BUILDKIT": "1"}
    # With attestations, what is pushed would be an index, and its digest would not be the image's.
    return {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "SOURCE_DATE_EPOCH": _epoch()}


def _epoch() -> str:
    """The time of every file in a layer, so that equal files make equal layers, whenever they were written."""
    return os.environ.get("SOURCE_DATE_EPOCH", "0")


def _set_apart(folder: Path) -> None:
    """Split BentoML's context into the folders that the Dockerfile copies, one for each layer."""
    code, framework, weights = (folder / layer / BENTO.removeprefix("/") for layer in (CODE, FRAMEWORK, WEIGHTS))
    everything = [path for path in folder.iterdir() if path.name != "env"]
    code.mkdir(parents=True)
    for path in everything:
        path.rename(code / path.name)
    for path in (*code.glob("hf-models"), *code.glob("models")):
        if not any(path.iterdir()):
            path.rmdir()
    _move(sorted(code.glob(f"models/*/*/{STORED}")), code, weights)
    _move([code / "src" / "jubako"], code, framework)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (0, 0))


def _move(paths: Iterable[Path], source: Path, target: Path) -> None:
    """Move what is below `source` to the same place below `target`."""
    for path in paths:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)


def _bring_uv(folder: Path) -> bool:
    """Put this machine's uv into the context, if containers can run it, and say whether they can."""
    if sys.platform != "linux":
        return False
    shutil.copyfile(uv_program(), folder / UV)
    (folder / UV).chmod(0o755)
    return True


@contextmanager
def _in_files(secrets: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="jubako-secrets-"))
    try:
        files = {name: folder / name for name in secrets}
        for name, file in files.items():
            file.write_text(secrets[name], encoding="utf-8")
            file.chmod(0o600)
        yield files
    finally:
        shutil.rmtree(folder)
