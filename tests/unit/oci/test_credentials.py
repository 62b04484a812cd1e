"""Who the user is, by files and helpers as container tools write them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jubako.errors import ConfigurationError
from jubako.oci.credentials import Credentials, find_credentials
from jubako.oci.reference import parse_reference


def auth(user: str, password: str = "p") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(file: Path, document: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    return file


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def user(reference: str, environment: dict[str, str]) -> str | None:
    found = find_credentials(parse_reference(reference), environment)
    return found.user if found else None


def test_nobody_without_files(environment: dict[str, str]) -> None:
    assert user("host/x", environment) is None


def test_the_first_file_with_credentials_counts(environment: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "home/.docker/config.json", {"auths": {"host": auth("docker")}})
    assert user("host/x", environment) == "docker"
    write(tmp_path / "home/.config/containers/auth.json", {"auths": {"host": auth("config"), "other": auth("other")}})
    assert user("host/x", environment) == "config"
    write(tmp_path / "run/containers/auth.json", {"auths": {"host": auth("run")}})
    assert user("host/x", environment) == "run"
    assert user("other/x", environment) == "other"
    named = write(tmp_path / "mine.json", {"auths": {"host": auth("named")}})
    environment["REGISTRY_AUTH_FILE"] = str(named)
    assert user("host/x", environment) == "named"
    assert user("other/x", environment) is None


def test_other_places_of_the_same_files(environment: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "d/config.json", {"auths": {"host": auth("docker")}})
    write(tmp_path / "c/containers/auth.json", {"auths": {"other": auth("containers")}})
    environment |= {"DOCKER_CONFIG": str(tmp_path / "d"), "XDG_CONFIG_HOME": str(tmp_path / "c")}
    assert (user("host/x", environment), user("other/x", environment)) == ("docker", "containers")


def test_the_longest_matching_path_counts(environment: dict[str, str], tmp_path: Path) -> None:
    keys = {"host/a/b/c": auth("c"), "host/a": auth("a"), "host": auth("host"), "host/a/bb": auth("no")}
    write(tmp_path / "run/containers/auth.json", {"auths": keys})
    assert user("host/a/b/c:1", environment) == "c"
    assert user("host/a/b/d:1", environment) == "a"
    assert user("host/a/b", environment) == "a"
    assert user("host/x", environment) == "host"
    assert user("host:5000/a", environment) is None


@pytest.mark.parametrize(
    ("key", "reference"),
    [
        ("https://host/v1/", "host/x"),
        ("http://host:5000", "host:5000/x"),
        ("https://index.docker.io/v1/", "docker.io/busybox"),
        ("docker.io/library", "docker.io/busybox"),
    ],
)
def test_keys_as_docker_writes_them(environment: dict[str, str], tmp_path: Path, key: str, reference: str) -> None:
    write(tmp_path / "home/.docker/config.json", {"auths": {key: auth("me")}})
    assert user(reference, environment) == "me"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"https://host/v1/": auth("old"), "host": auth("new")}, "new"),
        ({"host": auth("new"), "https://host/v1/": auth("old")}, "new"),
        ({"host": {}, "https://host/v1/": auth("me")}, "me"),
        ({"https://host/v1/": auth("me"), "https://host/v1/refresh-token": auth("token")}, "me"),
    ],
)
def test_several_keys_of_one_registry(
    environment: dict[str, str], tmp_path: Path, keys: dict[str, dict[str, str]], found: str
) -> None:
    write(tmp_path / "home/.docker/config.json", {"auths": keys})
    assert user("host/x", environment) == found


def test_forms_of_an_entry(environment: dict[str, str], tmp_path: Path) -> None:
    entries = {"a": {"username": "u", "password": "p:w"}, "b": auth("u", "p:w\0\0"), "c": {"identitytoken": "t"}, "d": {}}
    file = write(tmp_path / "run/containers/auth.json", {"auths": entries})
    found = [find_credentials(parse_reference(f"{host}/x"), environment) for host in "abcd"]
    assert found == [
        Credentials("u", "p:w", "", str(file)),
        Credentials("u", "p:w", "", str(file)),
        Credentials("", "", "t", str(file)),
        None,
    ]
    assert "p:w" not in repr(found)


def test_helpers(environment: dict[str, str], tmp_path: Path) -> None:
    helper(tmp_path, "box", 'read server; printf \'{"ServerURL": "%s", "Username": "at %s", "Secret": "s"}\' "$server" "$server"')
    helper(tmp_path, "token", 'printf \'{"Username": "<token>", "Secret": "t"}\'')
    helper(tmp_path, "empty", "echo 'credentials not found in native keychain'; exit 1")
    config = {
        "auths": {"one": auth("not asked"), "three": {}, "four": auth("kept")},
        "credHelpers": {"one": "box", "two": "token", "five": "empty"},
        "credsStore": "box",
    }
    write(tmp_path / "home/.docker/config.json", config)
    assert user("one/x", environment) == "at one"
    token = find_credentials(parse_reference("two/x"), environment)
    assert token
    assert token.identity_token == "t"
    assert user("three/x", environment) == "at three"
    assert user("four/x", environment) == "kept"
    assert user("five/x", environment) is None
    assert user("docker.io/busybox", environment) == "at https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil", "is not a plain name, so it was not run"),
        ("x; touch y", "is not a plain name"),
        ("absent", "docker-credential-absent is named for host, but is not installed"),
        ("bad", "docker-credential-bad failed with status 3 for host"),
        ("odd", "docker-credential-odd did not answer as one does"),
    ],
)
def test_a_helper_that_can_not_be_asked(environment: dict[str, str], tmp_path: Path, name: str, message: str) -> None:
    helper(tmp_path, "bad", "echo secret; exit 3")
    helper(tmp_path, "odd", "echo secret")
    write(tmp_path / "home/.docker/config.json", {"credHelpers": {"host": name}})
    with pytest.raises(ConfigurationError) as raised:
        user("host/x", environment)
    assert message in raised.value.message
    assert "secret" not in raised.value.message


def test_files_that_can_not_be_read(environment: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "run/containers/auth.json", {"auths": {"host": {"auth": "no Base64"}}})
    with pytest.raises(ConfigurationError, match="`auth` of 'host' is not user:password in Base64"):
        user("host/x", environment)
    (tmp_path / "run/containers/auth.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"The file of credentials .* can't be read"):
        user("host/x", environment)
    environment["REGISTRY_AUTH_FILE"] = str(tmp_path / "absent.json")
    with pytest.raises(ConfigurationError, match=r"REGISTRY_AUTH_FILE names .*absent\.json, but there is no such file"):
        user("host/x", environment)
