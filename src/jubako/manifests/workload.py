"""One version of a model as somebody wants it run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from jubako.errors import ConfigurationError
from jubako.manifests.resources import Resources
from jubako.packaging.weights import WeightsMode
from jubako.repository.model import Model, Version

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
        weights: The mode that the image was built with.
        weights_image: What is mounted for ``mounted``: an image with the weights in its folder ``models``; "" for a volume.
        api_keys_secret: The Kubernetes secret, or the file for Compose, with the API keys; "" lets everybody in.
        env_secret: The Kubernetes secret, or the file for Compose, whose fields become variables, such as a provider's key.
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
    env_secret: str = ""
    grace_period_s: float = 30.0

    def __post_init__(self) -> None:
        if self.weights_image and self.weights != "mounted":
            raise ConfigurationError(
                "An image with weights is mounted into a container that was built for mounted ones: say --weights mounted beside "
                "--weights-image, to `jubako build` too."
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
    def fetches(self) -> bool:
        """Whether the container fetches the weights when it starts."""
        return self.weights in ("artifact", "source")

    @property
    def shares_memory(self) -> bool:
        """Whether processes of the engine meet in /dev/shm, of which containers have too little: vLLM does even on the CPU."""
        return self.gpus > 1 or self.model.config.backend == "vllm"

    @property
    def calls_out(self) -> bool:
        """Whether the container must reach other servers than those that ask it."""
        return self.fetches or self.model.config.backend in CALLS_OUT

    @property
    def load_timeout_s(self) -> float:
        """Longest that it may take until the model can answer."""
        return self.model.config.limits.load_timeout_s
