"""`jubako push`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.artifact import is_reference, push_version, reference_of
from jubako.cli.build import VariantOption
from jubako.cli.containerize import BuilderOption, make_image
from jubako.cli.environment import TorchIndex
from jubako.cli.repository import PlainHttp, RepositoryOption, find_version
from jubako.cli.sbom import attach_bill
from jubako.cli.terminal import USAGE, err, out, remark, sentences
from jubako.errors import ConfigurationError
from jubako.oci.reference import SCHEME, parse_reference
from jubako.packaging.locks import Variant
from jubako.packaging.push import push_image
from jubako.packaging.sbom import contents_of
from jubako.packaging.tool import Tool, working_tool
from jubako.repository.cache import Cache
from jubako.repository.repository import read_repository
from jubako.settings import load_settings


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="By any of its names; @ALIAS says a version too.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="[oci://]REGISTRY/NAME[:TAG]",
            help="Where to; as an artifact, the default tag is the version's number.",
        ),
    ],
    *,
    plain_http: PlainHttp = False,
    tool: BuilderOption = None,
    variant: VariantOption = None,
    torch_index: TorchIndex = "",
    repository: RepositoryOption = None,
) -> None:
    """Push a version of a model to a registry, and print its digest.

    With oci:// in front of the registry, as an artifact with its entry and its weights: the printed reference is a source for
    other entries, and `jubako pull` takes it. Without, as a container's image, which is made first, and its bill of materials
    beside it; a bento's tag does for MODEL. Only what the registry lacks is sent.
    """
    if not is_reference(target):
        _push_image(model, target, tool, plain_http, variant=variant, torch_index=torch_index, repository=repository)
        return
    with sentences(USAGE):
        if tool is not None or variant is not None or torch_index:
            raise ConfigurationError("--backend, --variant and --torch-index are for images, and oci:// pushes an artifact.")
        reference = reference_of(target, plain_http)
        settings = load_settings({"repository": str(repository)} if repository else {}).settings
    with sentences():
        found = read_repository(settings.repository, BACKENDS)
        version = find_version(found, model)
        push_version(found.models[version.model_name], version, reference, Cache(settings.cache_dir))


def _push_image(
    model: str,
    target: str,
    wanted: Tool | None,
    plain_http: bool,
    *,
    variant: Variant | None,
    torch_index: str,
    repository: Path | None,
) -> None:
    with sentences(USAGE):
        reference = parse_reference(SCHEME + target)
        tool = working_tool(wanted)
    make_image(model, [target], tool, variant=variant, torch_index=torch_index, repository=repository)
    with sentences():
        digest = push_image(target, tool, lambda line: err.print(Text(line, "dim")), plain_http=plain_http)
        if tool == "buildah":
            remark("buildah runs no images, so no bill of materials was made of this one.")
        else:
            attach_bill(contents_of(target, tool), replace(reference.pinned(digest), plain_http=plain_http))
    out.print(Text(f"{reference.name}@{digest}"))
