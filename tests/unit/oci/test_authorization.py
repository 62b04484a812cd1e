"""Challenges as registries write them, and realms that get no credentials."""

from __future__ import annotations

import httpx
import pytest

from jubako.errors import ConfigurationError
from jubako.oci.authorization import RegistryAuth, challenges
from jubako.oci.credentials import Credentials
from jubako.oci.reference import parse_reference


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], {}),
        (['Basic realm="x"'], {"basic": {"realm": "x"}}),
        (["Negotiate"], {"negotiate": {}}),
        (
            ['Bearer realm="https://a/token",service="b",scope="repository:x/y:pull,push"'],
            {"bearer": {"realm": "https://a/token", "service": "b", "scope": "repository:x/y:pull,push"}},
        ),
        (
            ['BEARER Realm = "a, b=c" , scope=pull, Basic realm="x \\"y\\""'],
            {"bearer": {"realm": "a, b=c", "scope": "pull"}, "basic": {"realm": 'x "y"'}},
        ),
        (['Basic realm="x"', 'Bearer realm="y"'], {"basic": {"realm": "x"}, "bearer": {"realm": "y"}}),
    ],
)
def test_challenges(headers: list[str], found: dict[str, dict[str, str]]) -> None:
    assert challenges(headers) == found


@pytest.mark.parametrize("realm", ["http://tokens.example.org/token", "", "ftp://x/", "https://[::1", "/token"])
def test_a_realm_without_tls_gets_no_credentials(realm: str) -> None:
    auth = RegistryAuth(parse_reference("registry.example.org/x"), Credentials("u", "secret"))
    flow = auth.sync_auth_flow(httpx.Request("GET", "https://registry.example.org/v2/x/manifests/1"))
    request = next(flow)
    asked = httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{realm}"'}, request=request)
    with pytest.raises(ConfigurationError, match=r"which is no address with https://\. No credentials were sent") as raised:
        flow.send(asked)
    assert "secret" not in raised.value.message


def test_a_challenge_of_another_host_is_not_answered() -> None:
    """That is where a redirect has led."""
    auth = RegistryAuth(parse_reference("registry.example.org/x"), Credentials("u", "p"))
    flow = auth.sync_auth_flow(httpx.Request("GET", "https://registry.example.org/v2/x/blobs/1"))
    next(flow)
    elsewhere = httpx.Request("GET", "https://store.example.org/blob")
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(401, headers={"www-authenticate": 'Basic realm="x"'}, request=elsewhere))


def test_requests_to_another_host_carry_nothing() -> None:
    """An upload may be sent elsewhere."""
    auth = RegistryAuth(parse_reference("registry.example.org/x"), Credentials("u", "p"))
    first = auth.sync_auth_flow(httpx.Request("GET", "https://registry.example.org/v2/x/blobs/1"))
    request = next(first)
    again = first.send(httpx.Response(401, headers={"www-authenticate": 'Basic realm="x"'}, request=request))
    assert again.headers["authorization"] == "Basic dTpw"
    other = auth.sync_auth_flow(httpx.Request("PUT", "https://store.example.org/upload"))
    request = next(other)
    assert "authorization" not in request.headers
    with pytest.raises(StopIteration):
        other.send(httpx.Response(401, headers={"www-authenticate": 'Basic realm="x"'}, request=request))
