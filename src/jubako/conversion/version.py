"""A converted model as a version of an entry: of one that is there, or of a new one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml
from msgspec import Struct

from jubako.conversion.conversion import Conversion, make_folder
from jubako.conversion.program import Watch
from jubako.errors import ConfigurationError
from jubako.repository.entry import MODEL_FILE, is_entry_name
from jubako.repository.versions import VERSION_FILE, version_numbers


class NewVersion(Struct, frozen=True, kw_only=True):
    """Where a converted model is put.

    Attributes:
        entry: The entry's folder.
        number: Of the version, which is not there yet.
        model: What the entry's model.yaml says, where the entry is new; None where it is there.
    """

    entry: Path
    number: int
    model: Mapping[str, object] | None

    @classmethod
    def in_entry(cls, root: Path, name: str, number: int | None, model: Mapping[str, object]) -> NewVersion:
        """The version `number`, or the next one, of the entry `name`; of a new one with `model`, if the repository at `root`
        has none.

        Raises:
            ConfigurationError: the version is there already, or the entry's name can't be one.
        """
        if not is_entry_name(name):
            raise ConfigurationError(
                f"{name!r} can't be an entry: a name has letters, digits, dots, hyphens and underscores, and begins with a "
                "letter or digit."
            )
        entry = root / name
        known = version_numbers(entry) if entry.is_dir() else []
        if number in known:
            raise ConfigurationError(f"{entry.name} has a version {number} already; leave --as-version out for the next number.")
        return cls(entry=entry, number=number or max(known, default=0) + 1, model=None if entry.is_dir() else model)

    def make(self, conversion: Conversion, python: str, watch: Watch) -> Path:
        """Convert into the version's folder, and return it. What is new appears when all of it is whole.

        Raises:
            ConfigurationError: it can't be done; the sentence says why.
        """
        version = "# Made by `jubako convert gguf-to-hf`; provenance.json says of what.\nsource: .\n"
        if self.model is None:
            folder = self.entry / str(self.number)
            make_folder(conversion, folder, python, watch, {VERSION_FILE: version})
            return folder
        partial = self.entry.with_name(f".{self.entry.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            make_folder(conversion, partial / str(self.number), python, watch, {VERSION_FILE: version})
            (partial / MODEL_FILE).write_text(_as_yaml(self.model), encoding="utf-8")
            partial.rename(self.entry)
        except OSError as error:
            raise ConfigurationError(f"The entry {self.entry} can't be made: {error.strerror or error}.") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return self.entry / str(self.number)


def _as_yaml(model: Mapping[str, object]) -> str:
    return yaml.safe_dump(dict(model), sort_keys=False, allow_unicode=True, width=130)
