"""What whoever starts a server for other machines should know about who may ask it."""

from __future__ import annotations

import os
from ipaddress import ip_address

from jubako.listening import address_of
from jubako.settings import KEY_VARIABLE, Settings, flag_of


def caution(settings: Settings) -> str:
    """What is less safe than it may be meant, in sentences; nothing where only this machine can ask."""
    if ip_address(address_of(settings.host)).is_loopback:
        return ""
    if settings.api_keys is None:
        misread = f" {KEY_VARIABLE} is what commands send, and protects no server." if os.environ.get(KEY_VARIABLE) else ""
        return (
            f"The server listens on {settings.host} and asks nobody for a key: whoever reaches port {settings.port} or "
            f"{settings.grpc_port} may ask its models, load and unload them.{misread} Make keys with `jubako key create` and "
            f"name their file with {flag_of('api_keys')}, or listen on 127.0.0.1 only."
        )
    if settings.grpc_tls_cert is None:
        return (
            f"Keys that are sent to {settings.host} can be read on their way: gRPC has no TLS here. Give it "
            f"{flag_of('grpc_tls_cert')} and {flag_of('grpc_tls_key')}, and put a proxy with TLS in front of HTTP."
        )
    return ""
