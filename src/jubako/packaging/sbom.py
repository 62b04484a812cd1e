"""What is in an image, as a bill of materials: CycloneDX 1.6 in JSON (ECMA-424)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

from jubako import __version__
from jubako.errors import ConfigurationError
from jubako.packaging.installed import LONGEST_LICENCE
from jubako.packaging.tool import Tool

MEDIA_TYPE = "application/vnd.cyclonedx+json"
"""Of the document, and the type of the artifact that it is in a registry."""

FILE_NAME = "sbom.cdx.json"

_PYTHON = "/app/.venv/bin/python"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class PythonPackage(Struct, frozen=True):
    name: str
    version: str
    license: str


class SystemPackage(Struct, frozen=True):
    package: str
    version: str
    architecture: str
    source: str


class Installed(Struct, frozen=True):
    """What :mod:`jubako.packaging.installed` says."""

    system: dict[str, str]
    system_packages: list[SystemPackage]
    python_packages: list[PythonPackage]


@dataclass(frozen=True)
class Contents:
    """An image and what is in it.

    Attributes:
        name: As the user named it.
        id: ``sha256:`` and the digest of its configuration.
        labels: Those of :func:`jubako.packaging.containerize.labels_of` among them.
    """

    name: str
    id: str
    labels: Mapping[str, str]
    installed: Installed


def contents_of(image: str, tool: Tool) -> Contents:
    """Look into an image that `tool`, podman or docker, has: its own Python is run, without a network.

    Raises:
        ConfigurationError: there is no such image, or it has no Python of ours.
    """
    [found] = json.loads(_output([tool, "image", "inspect", image], f"There is no image {image}"))
    labels = found.get("Config", {}).get("Labels") or found.get("Labels") or {}
    script = Path(__file__).with_name("installed.py").read_text(encoding="utf-8")
    run = [tool, "run", "--rm", "--interactive", "--network=none", "--read-only", "--entrypoint", _PYTHON, image, "-I", "-"]
    said = _output(run, f"{image} is no image that `jubako containerize` made", script)
    return Contents(image, f"sha256:{found['Id'].removeprefix('sha256:')}", labels, msgspec.json.decode(said, type=Installed))


def bill_of_materials(contents: Contents) -> bytes:
    """The document. The same image has the same."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, contents.id)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "jubako", "version": __version__}]},
            "component": {
                "type": "container",
                "bom-ref": contents.id,
                "name": contents.labels.get("jubako.model", contents.name),
                "version": contents.labels.get("jubako.version", ""),
                "hashes": [_sha256(contents.id)],
            },
        },
        "components": [
            *_models(contents.labels),
            *_system(contents.installed.system),
            *(_debian(package, contents.installed.system) for package in contents.installed.system_packages),
            *(_python(package) for package in contents.installed.python_packages),
        ],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _models(labels: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """The models whose weights the labels name by their digests, wherever they are."""
    for label, digest in sorted(labels.items()):
        if label.startswith("jubako.weights.") and _DIGEST.fullmatch(digest):
            name, _, version = label.removeprefix("jubako.weights.").rpartition(".")
            yield {
                "type": "machine-learning-model",
                "bom-ref": f"model:{name}:{version}",
                "name": name,
                "version": version,
                "hashes": [_sha256(digest)],
                **_licences(labels.get("jubako.license", "") if name == labels.get("jubako.model") else ""),
            }


def _system(release: Mapping[str, str]) -> Iterator[dict[str, object]]:
    if "ID" in release:
        version = release.get("VERSION_ID", "")
        yield {"type": "operating-system", "bom-ref": f"os:{release['ID']}", "name": release["ID"], "version": version}


def _debian(package: SystemPackage, release: Mapping[str, str]) -> dict[str, object]:
    """With the release and the source package, by which advisories are written."""
    distribution = release.get("ID", "debian")
    qualifiers = {"arch": package.architecture}
    if "VERSION_ID" in release:
        qualifiers["distro"] = f"{distribution}-{release['VERSION_ID']}"
    if package.source:  # "gcc-12", or "gcc-12 (12.2.0-14)" where its version is another
        qualifiers["upstream"] = package.source.replace(" (", "@").removesuffix(")")
    said = "&".join(f"{name}={quote(text)}" for name, text in qualifiers.items())
    url = f"pkg:deb/{distribution}/{quote(package.package)}@{quote(package.version)}?{said}"
    return {"type": "library", "bom-ref": url, "name": package.package, "version": package.version, "purl": url}


def _python(package: PythonPackage) -> dict[str, object]:
    url = f"pkg:pypi/{quote(package.name)}@{quote(package.version)}"
    component: dict[str, object] = {"type": "library", "bom-ref": url, "name": package.name, "version": package.version}
    return component | _licences(package.license) | {"purl": url}


def _licences(name: str) -> dict[str, object]:
    """By name and not as an SPDX expression, because packages write what they like."""
    if not name or "\n" in name or len(name) > LONGEST_LICENCE:
        return {}
    return {"licenses": [{"license": {"name": name}}]}


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}


def _output(command: list[str], sentence: str, text: str = "") -> str:
    """
    Raises:
        ConfigurationError: it failed; the message is `sentence` and what it said.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        raise ConfigurationError(f"{sentence}: {done.stderr.strip()}")
    return done.stdout
