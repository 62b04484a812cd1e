"""How much of a machine one container needs: a rule of thumb for each engine, to be replaced by what is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jubako.errors import ConfigurationError
from jubako.packaging.locks import USUAL, Variant, lock_for, variants_of
from jubako.repository.model import Model, Version

MIB = 1024 * 1024
SERVER_MIB = 384
"""Of the server around the instances: the arbiter, the runner and a gateway."""

MEMORY_STEP_MIB = 256


@dataclass(frozen=True)
class Engine:
    """What an instance takes on the CPU.

    Attributes:
        processors: That it makes good use of.
        base_mib: Memory of the engine itself.
        weights: Memory for each byte of the weights, with what it computes in (keys and values, activations).
    """

    processors: int
    base_mib: int
    weights: float


ENGINES: Mapping[str, Engine] = {
    "llama_cpp": Engine(2, 256, 2.5),
    "vllm": Engine(8, 6144, 1.5),
    "transformers": Engine(4, 3072, 2.0),
    "lmdeploy": Engine(4, 4096, 1.5),
    "onnx": Engine(2, 256, 3.0),
    "torch": Engine(2, 1024, 2.0),
    "sklearn": Engine(1, 512, 3.0),
    "python": Engine(1, 512, 2.0),
    "triton_python": Engine(1, 512, 2.0),
}
OTHER = Engine(1, 128, 1.0)
"""Of backends that compute little themselves."""


@dataclass(frozen=True)
class Resources:
    """For one container.

    Attributes:
        processors: Requested, and the bound of what the engine's threads take.
        memory_mib: Requested, and the bound.
        weights_mib: Space on disk for weights that are fetched at the start.
    """

    processors: int
    memory_mib: int
    weights_mib: int


def resources_of(
    model: Model, weights_bytes: int | None, processors: int | None = None, memory_mib: int | None = None
) -> Resources:
    """What a container of `model` needs; `processors` and `memory_mib` replace the rule of thumb.

    Args:
        weights_bytes: Size of the weights on disk; None if it is not known.

    Raises:
        ConfigurationError: the memory depends on a size that is not known.
    """
    engine = ENGINES.get(model.config.backend, OTHER)
    instances = model.config.instances
    if memory_mib is None:
        if weights_bytes is None:
            raise ConfigurationError(
                f"How much memory {model.name} needs depends on the size of its weights, which are not here: "
                f"fetch them with `jubako pull {model.name}`, or say --memory-mib."
            )
        needed = SERVER_MIB + instances * (engine.base_mib + engine.weights * weights_bytes / MIB)
        memory_mib = math.ceil(needed / MEMORY_STEP_MIB) * MEMORY_STEP_MIB
    # Twice the weights: a download is whole before it takes the place of an earlier one.
    on_disk = math.ceil(2 * (weights_bytes or memory_mib * MIB) / MIB / MEMORY_STEP_MIB) * MEMORY_STEP_MIB
    return Resources(processors or engine.processors, memory_mib, on_disk)


def gpus_of(model: Model, version: Version, variant: Variant | None, said: int | None) -> int:
    """GPUs of a container of `version`: what was said, else as many as its engine wants in an image with CUDA.

    Raises:
        ConfigurationError: there is no image of this variant, or it has no use for GPUs.
    """
    backend = model.config.backend
    lock_for(backend, variant or USUAL)
    if said and variant == "cpu" and variants_of(backend):
        raise ConfigurationError("An image of the variant cpu has no use for GPUs. Leave out --gpu, or --variant cpu.")
    if said is not None:
        return said
    if "cuda" not in variants_of(backend) or variant == "cpu":
        return 0
    return int(version.engine.get("tensor_parallel_size") or version.engine.get("tp") or 1)
