"""What to write in place of sources that may become something else."""

from __future__ import annotations

from dataclasses import replace

from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.problem import Problem
from jubako.repository.repository import Repository
from jubako.repository.source import BentoModelSource, HubSource, RegistrySource
from jubako.repository.sources.fetch import cached_manifest, pinned_source


def unpinned_sources(repository: Repository, cache: Cache) -> list[Problem]:
    """A warning for each source that may become something else, with its pinned form as far as the cache knows it.

    Nobody is asked over the network.
    """
    versions = [version for model in repository.models.values() for version in model.versions]
    # What the entry says for several versions is said once.
    remedies = {version.unpinned: _remedy(version, cache) for version in versions if version.unpinned}
    return [replace(problem, message=f"{problem.message} {remedy}") for problem, remedy in remedies.items()]


def _remedy(version: Version, cache: Cache) -> str:
    if pinned := pinned_source(version, cache):
        return f"Here it is {pinned} now; write that."
    manifest = cached_manifest(version, cache)
    if manifest and len(manifest.files) == 1:
        return f"Say `sha256: {manifest.files[0].sha256}` too, the digest of what is here now."
    if manifest:
        return "Say `sha256` too, a mapping from each file's path to its digest."
    source = version.source
    if isinstance(source, BentoModelSource):
        return f"Name a version; `bentoml models list {source.name}` shows which there are."
    finds = f"`jubako pull {version.model_name}:{version.number}` finds it out, and `jubako check` shows it then"
    if isinstance(source, RegistrySource):
        return f"Name its digest, as in {source.reference.pinned('sha256:...').source}; {finds}."
    if isinstance(source, HubSource) and source.hub == "hf":
        return f"Name its commit, as in {replace(source, revision='COMMIT')}; {finds}."
    return f"Say the digest of what it is to be with `sha256`; {finds}."
