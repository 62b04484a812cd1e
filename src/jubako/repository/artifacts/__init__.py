"""Versions of models as artifacts of a registry: an entry with one version, each file a layer, in the form of the CNCF ModelPack
specification. `pushing.py` makes them, `adding.py` makes entries of them again."""

from jubako.repository.artifacts.adding import Added, Fetched, add_entry
from jubako.repository.artifacts.artifact import Artifact, artifact_of
from jubako.repository.artifacts.pushing import Pushed, push_artifact

__all__ = ["Added", "Artifact", "Fetched", "Pushed", "add_entry", "artifact_of", "push_artifact"]
