"""Which models need which others, as their entries said when they were last read."""

from __future__ import annotations

from jubako.model_names import without_version
from jubako.repository.selection import entry_named
from jubako.runner.deployment import Plan


class Needs:
    """The models as a graph. A name that no entry is known to have is taken for that of an entry."""

    def __init__(self) -> None:
        self._needs: dict[str, list[str]] = {}
        self._names: dict[str, set[str]] = {}

    def note(self, plan: Plan) -> None:
        """Take what `plan` says of its model in the place of what was known."""
        self._needs[plan.model] = plan.needs
        self._names[plan.model] = plan.names

    def forget(self, model: str) -> None:
        """Its entry is gone."""
        self._needs.pop(model, None)
        self._names.pop(model, None)

    def of(self, model: str) -> list[str]:
        """The entries that `model` needs, each once; not those that these need."""
        names = {name: entry for entry, names in self._names.items() for name in names}
        return list(dict.fromkeys(self._entry(name, names) for name in self._needs.get(model, [])))

    def dependents(self, model: str) -> list[str]:
        """The models that need `model`, by name; not those that need these."""
        return sorted(other for other in self._needs if model in self.of(other))

    def circle(self, model: str) -> list[str]:
        """A way from `model` over what it needs back to it, both ends included; empty if there is none."""
        ways = [[model]]
        seen: set[str] = set()
        while ways:
            way = ways.pop(0)
            for needed in self.of(way[-1]):
                if needed == model:
                    return [*way, model]
                if needed not in seen:
                    seen.add(needed)
                    ways.append([*way, needed])
        return []

    @staticmethod
    def _entry(name: str, names: dict[str, str]) -> str:
        return entry_named(name, names) or without_version(name)
