"""What is in the image of the default model, and what is not."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from jubako.oci.reference import parse_reference
from jubako.oci.referrers import referrers
from jubako.oci.remote import RemoteRepository
from jubako.packaging.sbom import MEDIA_TYPE
from jubako.paths import default_cache
from tests.e2e.base_image import NAME as BASE
from tests.e2e.conftest import Pushed, jubako
from tests.e2e.layers import Unpacked, unpack
from tests.e2e.machine import CERTIFICATES, Machine
from tests.registry import Registry

MIB = 1024 * 1024
BUDGET_MIB = 450
"""Without the weights."""

BUILD_TOOLS = re.compile(r"(usr/(local/)?)?bin/(gcc|cc|c\+\+|g\+\+|make|cmake|git|uv|rustc|cargo)(-\d+)?")


@pytest.fixture(scope="module")
def unpacked(image: Pushed, builder: Machine, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack(builder, image.reference, tmp_path_factory.mktemp("image") / "layers")


def test_no_shell_starts_it_and_it_is_nobody_special(unpacked: Unpacked) -> None:
    config = unpacked.configuration["config"]
    assert config["Entrypoint"][0] == "/app/.venv/bin/python"
    assert config["User"] == "1034:1034"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert {"3000/tcp", "50051/tcp"} <= config["ExposedPorts"].keys()
    assert config["Labels"]["jubako.model"] == "smollm2"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_no_layer_has_build_tools(unpacked: Unpacked) -> None:
    assert [path for path in unpacked.paths() if BUILD_TOOLS.fullmatch(path)] == []


def test_no_layer_has_anything_of_the_machine_that_built_it(unpacked: Unpacked, builder: Machine) -> None:
    bundle = CERTIFICATES.read_bytes()
    assert bundle not in list(unpacked.content("etc/ssl/certs/ca-certificates.crt"))
    for path in ("etc/resolv.conf", "etc/hostname"):
        assert b"".join(unpacked.content(path)) == b""
    assert unpacked.mentions(str(builder.folder), str(default_cache())) == []


def test_it_would_be_found_if_a_layer_had_something(unpacked: Unpacked) -> None:
    assert unpacked.mentions("nobody-wrote-this-anywhere", "COPY", "Debian GNU/Linux") == ["COPY", "Debian GNU/Linux"]
    assert any(path.startswith("app/.venv/bin/python") for path in unpacked.paths())


def test_it_is_small_without_the_weights(unpacked: Unpacked, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = unpacked.sizes
    weights = 98_000_000
    layer_of_weights = min(sizes, key=lambda size: abs(size - weights))
    with capsys.disabled():
        print("\nlayers:", ", ".join(f"{size / MIB:.1f} MiB" for size in sizes))  # noqa: T201 - for whoever reads the log
    assert 90_000_000 < layer_of_weights < 110_000_000
    assert (sum(sizes) - layer_of_weights) / MIB < BUDGET_MIB


def test_the_list_of_what_is_in_it_lies_beside_it_in_the_registry(image: Pushed, builder: Machine, tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    jubako(builder, "sbom", image.name, "--backend", "podman", "--out", file)
    reference = parse_reference(f"oci+http://{image.reference}")
    with RemoteRepository(reference) as remote:
        [found] = referrers(remote, image.digest, MEDIA_TYPE)
        _, manifest = remote.manifest(found.digest)
        document = remote.read(manifest.layers[0], 64 * MIB)
    assert document == file.read_bytes()
    names = {component["name"] for component in json.loads(document)["components"]}
    assert {"xllamacpp", "bentoml", "libc6", "smollm2"} <= names


def test_the_list_is_put_beside_no_other_image(image: Pushed, builder: Machine, registry: Registry) -> None:
    other = f"oci+http://{registry.address}/{BASE}"
    ran = builder.try_to_run([sys.executable, "-m", "jubako", "sbom", image.name, "--backend", "podman", "--attach", other])
    assert ran.returncode == 1
    assert "another image" in ran.stderr
