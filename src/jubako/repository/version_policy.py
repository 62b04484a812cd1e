"""Which of a model's versions are served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jubako.repository.config import VersionPolicy
from jubako.repository.document import Value


def spelled_out(fields: Mapping[str, Value]) -> dict[str, Value]:
    """``versions`` of a model.yaml as the mapping that its short forms stand for: ``all``, ``latest`` and a list of numbers."""
    match fields.get("versions"):
        case "all":
            return {"versions": {"all": True}}
        case "latest":
            return {"versions": {"latest": 1}}
        case list(numbers):
            return {"versions": {"specific": numbers}}
    return {}


def chosen(policy: VersionPolicy, numbers: Iterable[int]) -> list[int]:
    """The numbers that `policy` chooses, ascending: of those that are there, and those that it names."""
    if policy.specific is not None:
        return sorted(set(policy.specific))
    ascending = sorted(numbers)
    return ascending if policy.all else ascending[-(policy.latest or 1) :]
