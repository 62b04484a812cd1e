"""Says as JSON what is installed where it runs. An image's own Python runs it, so it imports nothing but the standard library.

It is given to ``python -I -`` on standard input, and needs nothing of the image but Python.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path

DPKG = Path("/var/lib/dpkg/status")
SYSTEM = Path("/etc/os-release")

LONGEST_LICENCE = 200
"""Characters; some packages put the whole text of their licence where its name belongs."""


def python_packages() -> list[dict[str, str]]:
    """Name, version and licence of each distribution, by name."""
    found: dict[str, dict[str, str]] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata.json
        name = re.sub(r"[-_.]+", "-", str(metadata["name"])).lower()
        # The first on the path is the one that is imported.
        found.setdefault(name, {"name": name, "version": distribution.version, "license": _licence(metadata)})
    return [found[name] for name in sorted(found)]


def _licence(metadata: dict[str, str | list[str]]) -> str:
    """As the package says it; of one that says nothing, or puts the whole text there, by its classifiers."""
    said = str(metadata.get("license_expression") or metadata.get("license") or "").strip()
    if said and "\n" not in said and len(said) <= LONGEST_LICENCE:
        return said
    named = [text.rpartition(" :: ")[2] for text in metadata.get("classifier", []) if text.startswith("License :: ")]
    return ", ".join(name for name in named if name != "OSI Approved") or said


def system_packages() -> list[dict[str, str]]:
    """Name, version, architecture and source of each of Debian's packages that is installed, by name."""
    if not DPKG.is_file():
        return []
    found = []
    for paragraph in DPKG.read_text(encoding="utf-8").split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            names = ("Package", "Version", "Architecture", "Source")
            found.append({name.lower(): fields.get(name, "") for name in names})
    return sorted(found, key=lambda package: package["package"])


def system() -> dict[str, str]:
    """The fields of os-release."""
    if not SYSTEM.is_file():
        return {}
    return dict(re.findall(r'^([A-Z_]+)="?(.*?)"?$', SYSTEM.read_text(encoding="utf-8"), re.MULTILINE))


if __name__ == "__main__":
    json.dump({"system": system(), "system_packages": system_packages(), "python_packages": python_packages()}, sys.stdout)
