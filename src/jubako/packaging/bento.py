"""One version of a model, and all that it needs, as a bento in BentoML's store."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from jubako.environments.uv import Say, run_program
from jubako.errors import ConfigurationError
from jubako.packaging.content import digest_of, write_code
from jubako.packaging.description import bentofile, commit_of, labels_of, readme
from jubako.packaging.entries import Part, parts_of, write_entry
from jubako.packaging.locks import USUAL, Variant
from jubako.packaging.requirements import Packages, packages_of_image
from jubako.packaging.tag import tag_name, tag_version
from jubako.packaging.weights import Weights, WeightsMode, source_in_bento, store, weights_of
from jubako.paths import bentoml_home, shipped
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Progress
from jubako.repository.repository import Repository

BENTOFILE = "bentofile.yaml"
"""What BentoML reads of a folder of which it is to build a bento."""


@dataclass(frozen=True)
class Built:
    """A bento.

    Attributes:
        is_new: It was not in the store before.
        weights: Bytes of weights that belong to it, wherever they are.
    """

    tag: str
    folder: Path
    is_new: bool
    weights: int


@dataclass(frozen=True)
class Builder:
    """Builds bentos of the versions of a repository.

    Attributes:
        mode: Where the weights of the bentos are.
        artifacts: For the mode ``artifact``: the reference for each version, by ``model:number``.
        variant: Which build of PyTorch those that need it get.
        say: Takes each step in words.
    """

    repository: Repository
    cache: Cache
    say: Say
    mode: WeightsMode = "baked"
    artifacts: Mapping[str, str] = field(default_factory=dict)
    variant: Variant = USUAL

    def build(self, version: Version, progress: Progress) -> Built:
        """The bento of `version`. The same content gives the same tag, and is built once.

        Raises:
            ConfigurationError: it can't be built; the message says why.
        """
        parts = parts_of(self.repository, version)
        backend = parts[0].model.config.backend
        if not (shipped("services") / f"{backend}.py").is_file():
            raise ConfigurationError(
                f"There is no service for the backend {backend}, so no bento can be made of {version.model_name}."
            )
        versions = [version for part in parts for version in part.with_weights]
        weights = [weights_of(each, self.cache, progress, pinned=self.mode == "source") for each in versions]
        with tempfile.TemporaryDirectory(prefix="jubako-bento-") as temporary:
            folder = Path(temporary)
            self.say("gathering files")
            self._write(folder, parts, weights)
            packages = packages_of_image(parts, self.variant, self.say)
            return self._built(folder, parts, weights, packages)

    def _write(self, folder: Path, parts: list[Part], weights: list[Weights]) -> None:
        write_code(folder, parts[0].model.config.backend)
        for part in parts:
            held = {each.version.number: each for each in weights if each.version.model_name == part.model.name}
            sources = {number: (each, self._source(each, alone=len(weights) == 1)) for number, each in held.items()}
            write_entry(part, sources, folder / "model_repository")

    def _source(self, weights: Weights, *, alone: bool) -> str:
        name = f"{weights.version.model_name}:{weights.version.number}"
        return source_in_bento(weights, self.mode, artifact=self.artifacts.get(name), alone=alone)

    def _built(self, folder: Path, parts: list[Part], weights: list[Weights], packages: Packages) -> Built:
        model, number = parts[0].model, parts[0].versions[0].number
        arguments = {"model": model.name, "version": number, "packages": list(packages.more)}
        if packages.variant is not None:
            arguments["variant"] = packages.variant
        name, stored = tag_name(model.name), weights if self.mode == "baked" else []
        service, models = f"services.{model.config.backend}:svc", [each.tag for each in stored]
        # Whatever tells this bento from others is in the digest; when and from which commit it was built is not.
        _write_yaml(folder / BENTOFILE, bentofile(service, name, {}, arguments, models))
        content = digest_of(folder)
        version = tag_version(number, content)
        place = bentoml_home() / "bentos" / name / version
        for each in stored:
            if store(each, {"model": each.version.model_name, "sha256": each.digest}):
                self.say(f"weights of {each.version.model_name}:{each.version.number} stored")
        is_new = not (place / "bento.yaml").is_file()
        if is_new:
            self.say("building")
            commit = commit_of(self.repository.root)
            labels = labels_of(parts, weights, self.mode, content, commit, variant=packages.variant)
            _write_yaml(folder / BENTOFILE, bentofile(service, name, labels, arguments, models))
            text = readme(parts, weights, self.mode, f"{name}:{version}", variant=packages.variant)
            (folder / "README.md").write_text(text, encoding="utf-8")
            _bentoml_build(folder, version, self.say)
        return Built(f"{name}:{version}", place, is_new, weights=sum(each.size for each in weights))


def _bentoml_build(folder: Path, version: str, say: Say) -> None:
    # With the bento's own code, and in a process without what this one has been told: what is built is what will run.
    settings = {name: None for name in os.environ if name.startswith("JUBAKO_")}
    variables = {"PYTHONPATH": str(folder), "BENTOML_DO_NOT_TRACK": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag"]
    run_program(command, folder=folder, say=say, variables={**settings, **variables})


def _write_yaml(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(yaml.safe_dump(dict(content), sort_keys=False, width=120), encoding="utf-8")
