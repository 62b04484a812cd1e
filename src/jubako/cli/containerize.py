"""`jubako containerize`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.table import Table
from rich.text import Text

from jubako.cli.build import Artifacts, VariantOption, Weights, build_one
from jubako.cli.environment import TorchIndex
from jubako.cli.repository import RepositoryOption
from jubako.cli.terminal import USAGE, err, out, sentences
from jubako.errors import ConfigurationError
from jubako.packaging.layers import Layer, layers_of
from jubako.packaging.locks import Variant
from jubako.packaging.tool import Tool, working_tool
from jubako.packaging.weights import WeightsMode
from jubako.paths import bentoml_home
from jubako.repository.cache import human_size

BuilderOption = Annotated[
    Tool | None, typer.Option("--backend", show_default=False, help="What builds it. Default: the first that works.")
]


def containerize(
    name: Annotated[str, typer.Argument(metavar="MODEL|BENTO", help="A model, by any of its names, or the tag of a bento.")],
    *,
    image: Annotated[
        list[str] | None,
        typer.Option("--tag", "-t", metavar="IMAGE", show_default=False, help="The image's name. Default: the tag of the bento."),
    ] = None,
    tool: BuilderOption = None,
    weights: Weights = "baked",
    artifacts: Artifacts = None,
    variant: VariantOption = None,
    torch_index: TorchIndex = "",
    repository: RepositoryOption = None,
) -> None:
    """Make a container's image of a bento; of a model, its bento is built first.

    The image runs without root, without a shell and on a read-only file system with a writable /tmp. It listens on port 3000 for
    HTTP and 50051 for gRPC. What the environment says of package indexes is used as secrets of the build.
    """
    with sentences(USAGE):
        chosen = working_tool(tool)
    names = make_image(
        name,
        image or [],
        chosen,
        weights=weights,
        artifacts=artifacts,
        variant=variant,
        torch_index=torch_index,
        repository=repository,
    )
    for each in names:
        out.print(Text(each))


def make_image(
    name: str,
    names: list[str],
    tool: Tool,
    *,
    weights: WeightsMode = "baked",
    artifacts: list[str] | None = None,
    variant: Variant | None = None,
    torch_index: str = "",
    repository: Path | None = None,
) -> list[str]:
    """Make an image of a bento, or of a model whose bento is built first, and show what it weighs.

    Args:
        names: What the image is called; empty for the tag of the bento.
        torch_index: An index of torch's builds without CUDA; "" leaves that to pip's configuration.

    Returns:
        What it is called.
    """
    if _is_bento(name):
        tag = name
        with sentences(USAGE):
            _check_variant(tag, variant)
    else:
        tag = build_one(name, weights, artifacts, variant, repository)
    # Not imported above: BentoML takes a second, which the other commands need not wait for.
    packaging = import_module("jubako.packaging.containerize")
    with sentences():
        packaging.containerize(tag, names or [tag], tool, lambda line: err.print(Text(line, "dim")), torch_index=torch_index)
        if tool != "buildah":  # which does not say what its layers are
            err.print(_table(layers_of((names or [tag])[0], tool)))
    return names or [tag]


def _is_bento(name: str) -> bool:
    return "/" not in name and bool(name.partition(":")[2]) and _description(name).is_file()


def _check_variant(tag: str, variant: Variant | None) -> None:
    """
    Raises:
        ConfigurationError: the bento was built for the other variant.
    """
    labels = yaml.safe_load(_description(tag).read_text(encoding="utf-8"))["labels"]
    if variant is not None and labels.get("variant", variant) != variant:
        raise ConfigurationError(
            f"{tag} was built for the variant {labels['variant']}. Build another with: "
            f"jubako build {labels['model']}:{labels['version']} --variant {variant}"
        )


def _description(tag: str) -> Path:
    return bentoml_home() / "bentos" / tag.replace(":", "/") / "bento.yaml"


def _table(layers: Sequence[Layer]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    table.add_column("size", justify="right")
    for layer in layers:
        table.add_row(layer.part, human_size(layer.size))
    table.add_row("all", human_size(sum(layer.size for layer in layers)))
    return table
