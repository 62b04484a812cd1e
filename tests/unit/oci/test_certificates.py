"""Which folder of certificates counts for a registry, and what is said of one that can't be used."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key

from jubako.errors import ConfigurationError
from jubako.oci.certificates import tls_of
from jubako.oci.reference import parse_reference
from jubako.web import tls_context

AUTHORITY = trustme.CA(organization_name="ours")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def shared(tmp_path: Path) -> list[Path]:
    """The folders of all users, in their order."""
    return [tmp_path / "containers" / "certs.d", tmp_path / "docker" / "certs.d"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's folder for the registry ``host:5000``."""
    return made(tmp_path / "home/.config/containers/certs.d/host:5000")


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def put_client(folder: Path, name: str = "client") -> None:
    client = AUTHORITY.issue_cert(f"{name}@example.org")
    client.cert_chain_pems[0].write_to_path(folder / f"{name}.cert")
    client.private_key_pem.write_to_path(folder / f"{name}.key")


def trusted(context: ssl.SSLContext | None) -> set[str]:
    """The organisations of the authorities that the tests have made."""
    assert context is not None
    return set(re.findall(r"'(of [^']+)'", str(context.get_ca_certs())))


def test_a_registry_without_a_folder_is_like_any_server(environment: dict[str, str], shared: list[Path], folder: Path) -> None:
    assert folder.is_dir()
    for reference in ("other:5000/x", "host/x", "host:5001/x", "oci+http://host:5000/x"):
        assert tls_of(parse_reference(reference), environment, shared) is None


def test_the_first_folder_counts_alone(environment: dict[str, str], shared: list[Path], folder: Path) -> None:
    places = [folder, *(made(place / "host:5000") for place in shared)]
    for place in places:
        trustme.CA(organization_name=f"of {place}").cert_pem.write_to_path(place / "ca.crt")
    for place in places:
        assert trusted(tls_of(parse_reference("host:5000/x"), environment, shared)) == {f"of {place}"}
        (place / "ca.crt").unlink()
        place.rmdir()


def test_every_authority_is_trusted_besides_the_usual_ones(environment: dict[str, str], folder: Path) -> None:
    for name in ("one", "two"):
        trustme.CA(organization_name=f"of {name}").cert_pem.write_to_path(folder / f"{name}.crt")
    (folder / "notes.txt").write_text("nothing of ours")
    context = tls_of(parse_reference("host:5000/x"), environment, [])
    assert trusted(context) == {"of one", "of two"}
    assert context is not None
    assert len(context.get_ca_certs()) == len(tls_context().get_ca_certs()) + 2


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        tls_of(parse_reference("host:5000/x"), environment, [])
    return refused.value.message


@pytest.mark.parametrize("name", ["ca.crt", "client.cert", "client.key"])
def test_a_file_that_cannot_be_read_is_named(name: str, environment: dict[str, str], folder: Path) -> None:
    put_client(folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder / "gone")
    message = f"{folder / name} can't be read: No such file or directory. Make it readable for this user, or remove it."
    assert refusal(environment) == message


@pytest.mark.parametrize(("there", "lacking"), [("client.cert", "client.key"), ("client.key", "client.cert")])
def test_a_certificate_and_its_key_go_together(there: str, lacking: str, environment: dict[str, str], folder: Path) -> None:
    put_client(folder)
    (folder / lacking).unlink()
    assert f"{folder / there} needs {lacking} beside it" in refusal(environment)


def test_a_key_of_another_certificate_is_refused(environment: dict[str, str], folder: Path) -> None:
    put_client(folder)
    AUTHORITY.issue_cert("other@example.org").private_key_pem.write_to_path(folder / "client.key")
    assert f"{folder}/client.cert and {folder}/client.key are no certificate in PEM with its key" in refusal(environment)


def test_an_encrypted_key_asks_nobody(environment: dict[str, str], folder: Path) -> None:
    put_client(folder)
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    (folder / "client.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    )
    assert f"The key {folder}/client.key is encrypted" in refusal(environment)


def test_one_certificate_is_shown(environment: dict[str, str], folder: Path) -> None:
    put_client(folder)
    put_client(folder, "other")
    assert "(client.cert, other.cert). Leave the one that is to be shown." in refusal(environment)


@pytest.mark.parametrize("content", ["", "this is no certificate"])
def test_an_authority_that_is_none(content: str, environment: dict[str, str], folder: Path) -> None:
    (folder / "ca.crt").write_text(content)
    assert f"{folder}/ca.crt holds no certificate in PEM of an authority" in refusal(environment)
