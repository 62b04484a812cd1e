"""A port that was chosen stays free until the server listens there."""

from __future__ import annotations

import socket
import sys

import pytest

from jubako.errors import ConfigurationError
from jubako.listening import held_port


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a port can't be held for another process")
def test_a_port_that_is_held_is_nobody_elses_and_the_server_may_listen_there() -> None:
    with held_port("127.0.0.1", 0) as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        in_use = pytest.raises(ConfigurationError, match=rf"Port {port} on 127\.0\.0\.1 is in use")
        listening = socket.create_server(("127.0.0.1", port))
        with listening, socket.create_connection(("127.0.0.1", port)), in_use, held_port("127.0.0.1", port):
            pytest.fail("somebody listens there")
