"""References as text and as types."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.errors import ConfigurationError
from jubako.oci.reference import Reference, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "reference", "api"),
    [
        ("ghcr.io/org/name:1.0", Reference("ghcr.io", "org/name", "1.0"), "https://ghcr.io/v2/org/name"),
        ("localhost:5000/x", Reference("localhost:5000", "x"), "https://localhost:5000/v2/x"),
        (f"oci://registry/a/b@{DIGEST}", Reference("registry", "a/b", None, DIGEST), "https://registry/v2/a/b"),
        (f"r.io/a:t@{DIGEST}", Reference("r.io", "a", "t", DIGEST), "https://r.io/v2/a"),
        ("oci+http://127.0.0.1:5000/x:1", Reference("127.0.0.1:5000", "x", "1", plain_http=True), "http://127.0.0.1:5000/v2/x"),
        ("[::1]:5000/x", Reference("[::1]:5000", "x"), "https://[::1]:5000/v2/x"),
        ("docker.io/busybox", Reference("docker.io", "library/busybox"), "https://registry-1.docker.io/v2/library/busybox"),
        ("index.docker.io/a/b", Reference("docker.io", "a/b"), "https://registry-1.docker.io/v2/a/b"),
    ],
)
def test_forms(text: str, reference: Reference, api: str) -> None:
    assert parse_reference(text) == reference
    assert parse_reference(reference.source) == reference
    assert reference.api == api


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name", "can't be read. It must be of the form registry"),
        ("", "can't be read"),
        ("host/", "can't be read"),
        ("user:secret@host/name", "has no user or password in it"),
        ("host/Name:1", "has capital letters in its repository"),
        ("host/a//b", "can't be read"),
        ("host/../b", "can't be read"),
        ("host/a:-tag", "can't be read"),
        ("host/a@sha512:" + "0" * 128, "only SHA-256 is taken"),
        ("host/a@sha256:12", "has a digest that is none"),
        ("host/" + "a" * 255, "is too long"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_reference(text)
    assert message in raised.value.message
    assert "secret" not in raised.value.message


def test_what_is_asked_for() -> None:
    assert parse_reference("host/a").wanted == "latest"
    assert parse_reference("host/a:t").wanted == "t"
    assert parse_reference(f"host/a:t@{DIGEST}").wanted == DIGEST
    assert parse_reference("host/a:t").pinned(DIGEST) == parse_reference(f"host/a@{DIGEST}")


@given(st.text() | st.text().map(lambda text: f"host/{text}"))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert parse_reference(parse_reference(text).source) == parse_reference(text)
