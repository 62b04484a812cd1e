"""`jubako manifest`: what an orchestrator is told to run a model's container."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from jubako.backends.declarations import BACKENDS
from jubako.cli.build import VariantOption
from jubako.cli.repository import RepositoryOption, find_version
from jubako.cli.terminal import USAGE, out, sentences
from jubako.errors import ConfigurationError
from jubako.manifests import Object, Workload, as_yaml, compose_file, kserve_objects, kubernetes_objects
from jubako.manifests.resources import gpus_of, resources_of
from jubako.packaging.weights import WeightsMode
from jubako.repository.cache import Cache
from jubako.repository.repository import Version, read_repository
from jubako.repository.sources import cached_weights
from jubako.settings import Settings, load_settings


class Orchestrator(Enum):
    compose = "compose"
    kubernetes = "kubernetes"
    kserve = "kserve"


def manifest(
    model: Annotated[str, typer.Argument(metavar="MODEL[:VERSION|@ALIAS]", help="By any of its names.", show_default=False)],
    *,
    orchestrator: Annotated[
        Orchestrator, typer.Option("--for", help="Who runs it. Default: kubernetes.", show_default=False)
    ] = Orchestrator.kubernetes,
    image: Annotated[
        str, typer.Option(metavar="REF", help="The image, best by its digest. Default: MODEL:VERSION.", show_default=False)
    ] = "",
    replicas: Annotated[int, typer.Option(min=1, metavar="N", help="Containers at least.")] = 1,
    variant: VariantOption = None,
    gpu: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="GPUs of each container. Default: what the engine asks for in images with CUDA, none in others.",
            show_default=False,
        ),
    ] = None,
    cpu: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processors of each. Default: by the engine.", show_default=False)
    ] = None,
    memory_mib: Annotated[
        int | None, typer.Option(min=1, help="Memory of each. Default: by the engine and the weights.", show_default=False)
    ] = None,
    namespace: Annotated[str, typer.Option(metavar="NS", help="Kubernetes' namespace.", show_default=False)] = "",
    weights: Annotated[
        WeightsMode,
        typer.Option(help="Where they are, as `jubako build` was told: in the image, mounted, or fetched at the start."),
    ] = "baked",
    weights_image: Annotated[
        str, typer.Option(metavar="REF", help="A data-only image with the weights, to be mounted.", show_default=False)
    ] = "",
    api_keys_secret: Annotated[
        str,
        typer.Option(metavar="NAME", help="Kubernetes' secret with the API keys; for Compose, their file.", show_default=False),
    ] = "",
    env_secret: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Kubernetes' secret whose fields become variables, such as a provider's key; for Compose, their file.",
            show_default=False,
        ),
    ] = "",
    repository: RepositoryOption = None,
    file: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here.", show_default=False)] = None,
) -> None:
    """Print what Compose, Kubernetes or KServe need to run a model's container."""
    with sentences(USAGE):
        settings = load_settings({"repository": str(repository)} if repository else {}).settings
    with sentences():
        found = read_repository(settings.repository, BACKENDS)
        version = find_version(found, model)
        entry = found.models[version.model_name]
        workload = Workload(
            model=entry,
            version=version,
            image=image or f"{entry.name.lower()}:{version.number}",
            resources=resources_of(entry, _weights_bytes(version, settings), cpu, memory_mib),
            replicas=replicas,
            gpus=gpus_of(entry, version, variant, gpu),
            namespace=namespace,
            weights=weights,
            weights_image=weights_image,
            api_keys_secret=api_keys_secret,
            env_secret=env_secret,
            grace_period_s=settings.grace_period_s,
        )
        _write(as_yaml(_objects(workload, orchestrator), _heading(workload, orchestrator)), file)


def _weights_bytes(version: Version, settings: Settings) -> int | None:
    return 0 if version.source is None else cached_weights(version, Cache(settings.cache_dir))


def _objects(workload: Workload, orchestrator: Orchestrator) -> list[Object]:
    match orchestrator:
        case Orchestrator.compose:
            return [compose_file(workload)]
        case Orchestrator.kubernetes:
            return kubernetes_objects(workload)
        case Orchestrator.kserve:
            return kserve_objects(workload)


def _heading(workload: Workload, orchestrator: Orchestrator) -> str:
    return f"{workload.title} for {orchestrator.value}, made by `jubako manifest`."


def _write(text: str, file: Path | None) -> None:
    if file is None:
        out.file.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None
