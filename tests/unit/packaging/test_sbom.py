"""The bill of materials of an image, checked by CycloneDX's own schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from jubako.packaging import installed
from jubako.packaging.sbom import Contents, Installed, PythonPackage, SystemPackage, bill_of_materials

IMAGE = "sha256:" + "a" * 64
WEIGHTS = "sha256:" + "b" * 64
GCC = "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12&"
BINUTILS = "pkg:deb/debian/binutils@2.40-2%2Bb1?arch=amd64&distro=debian-12&"
LABELS = {
    "jubako.model": "smollm2",
    "jubako.version": "1",
    "jubako.license": "Apache-2.0",
    "jubako.weights": "baked",
    "jubako.weights.smollm2.1": WEIGHTS,
    "jubako.weights.other.model.2": WEIGHTS,
}


@pytest.fixture
def contents() -> Contents:
    return Contents(
        name="registry.example.com/smollm2:1",
        id=IMAGE,
        labels=LABELS,
        installed=Installed(
            system={"ID": "debian", "VERSION_ID": "12"},
            system_packages=[
                SystemPackage("libstdc++6", "12.2.0-14+deb12u1", "amd64", "gcc-12"),
                SystemPackage("binutils", "2.40-2+b1", "amd64", "binutils (2.40-2)"),
                SystemPackage("bash", "5.2", "amd64", ""),
            ],
            python_packages=[
                PythonPackage("numpy", "2.4.6", "BSD-3-Clause AND 0BSD"),
                PythonPackage("odd", "1.0+local", "The whole\ntext of a licence"),
            ],
        ),
    )


def read(contents: Contents) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bill_of_materials(contents))
    return document


def wrong(document: dict[str, Any]) -> object:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def test_it_is_what_cyclonedx_says(contents: Contents) -> None:
    document = read(contents)
    assert wrong(document) is None
    assert wrong(document | {"components": [{"type": "library", "name": "x", "vresion": "1"}]}) is not None


def test_it_names_what_is_in_the_image(contents: Contents) -> None:
    document = read(contents)
    components = {component["bom-ref"]: component for component in document["components"]}
    assert document["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert components["pkg:pypi/numpy@2.4.6"]["licenses"] == [{"license": {"name": "BSD-3-Clause AND 0BSD"}}]
    assert "licenses" not in components["pkg:pypi/odd@1.0%2Blocal"]
    assert components[f"{GCC}upstream=gcc-12"]["name"] == "libstdc++6"
    assert components[f"{BINUTILS}upstream=binutils%402.40-2"]["name"] == "binutils"
    assert components["pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12"]["name"] == "bash"
    assert components["model:smollm2:1"]["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]
    assert components["model:smollm2:1"]["licenses"] == [{"license": {"name": "Apache-2.0"}}]
    # The licence is that of the model of which the image was made, and of no other.
    assert components["model:other.model:2"]["name"] == "other.model"
    assert "licenses" not in components["model:other.model:2"]


def test_the_same_image_has_the_same(contents: Contents) -> None:
    other = msgspec.structs.replace(contents.installed, python_packages=[])
    assert bill_of_materials(contents) == bill_of_materials(contents)
    changed = Contents(contents.name, "sha256:" + "c" * 64, contents.labels, other)
    assert read(changed)["serialNumber"] != read(contents)["serialNumber"]


def test_what_is_installed_is_said_by_a_program_that_needs_nothing() -> None:
    program = Path(installed.__file__).read_text()
    ran = subprocess.run([sys.executable, "-I", "-"], input=program, capture_output=True, text=True, timeout=60, check=True)
    said = msgspec.json.decode(ran.stdout, type=Installed)
    versions = {package.name: package.version for package in said.python_packages}
    assert versions["msgspec"] == msgspec.__version__
    assert all(package.version for package in said.system_packages)
    licences = {package.name: package.license for package in said.python_packages}
    assert licences["jinja2"] == "BSD License"  # by its classifier alone
    assert not any("\n" in licence for licence in licences.values())
