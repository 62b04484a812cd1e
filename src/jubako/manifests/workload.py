"""One version of a model as somebody wants it run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from jubako.errors import ConfigurationError
from jubako.manifests.resources import Resources
from jubako.repository.model import Model, Version

WeightsMode = Literal["baked", "mounted", "artifact", "source"]
"""Where the container finds the weights: in its image, in a folder that is mounted, in an image of their own that is mounted, or
fetched from the entry's source when it starts."""

CALLS_OUT = frozenset({"openai", "anthropic", "python", "triton_python"})
"""Backends whose models may ask other servers."""

LONGEST_NAME = 50
"""Kubernetes allows 63 characters; names of pods and volumes add to ours."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a manifest is made of.

    Attributes:
        image: The container's image, best by digest.
        replicas: Containers at least.
        gpus: GPUs of each container.
        namespace: Of Kubernetes; "" leaves it to whoever applies the manifest.
        weights_image: Where ``artifact`` finds the weights: the reference of a data-only image.
        api_keys_secret: The Kubernetes secret, or the file for Compose, with the API keys; "" lets everybody in.
        grace_period_s: How long requests may take to finish when a container is stopped.
    """

    model: Model
    version: Version
    image: str
    resources: Resources
    replicas: int = 1
    gpus: int = 0
    namespace: str = ""
    weights: WeightsMode = "baked"
    weights_image: str = ""
    api_keys_secret: str = ""
    grace_period_s: float = 30.0

    def __post_init__(self) -> None:
        if self.weights == "artifact" and not self.weights_image:
            raise ConfigurationError(
                "Weights as an artifact need its reference: --weights-image REGISTRY/NAME@sha256:..., which `jubako push` prints."
            )

    @property
    def name(self) -> str:
        """The model's name as Kubernetes and Compose take one: lower case, digits and hyphens."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.model.name.lower()).strip("-")
        named = plain if plain[:1].isalpha() else f"model-{plain}".rstrip("-")
        if named == self.model.name and len(named) <= LONGEST_NAME:
            return named
        # Two models may look alike by now.
        digest = hashlib.sha256(self.model.name.encode()).hexdigest()[:6]
        return f"{named[: LONGEST_NAME - 7].rstrip('-')}-{digest}"

    @property
    def title(self) -> str:
        return f"{self.model.name}:{self.version.number}"

    @property
    def calls_out(self) -> bool:
        """Whether the container must reach other servers than those that ask it."""
        return self.weights == "source" or self.model.config.backend in CALLS_OUT

    @property
    def load_timeout_s(self) -> float:
        """Longest that it may take until the model can answer."""
        return self.model.config.limits.load_timeout_s
