"""A TCP proxy that counts what passes, and drops connections where a test wants it."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]
_CHUNK = 64 * 1024


class CountingProxy:
    """Listens on a free port of the loopback interface and passes everything on to `target`, a port of the same.

    Attributes:
        uploaded: Bytes that clients have sent.
        downloaded: Bytes that clients have been sent.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.uploaded = 0
        self.downloaded = 0
        self._left: dict[Direction, int | None] = {"up": None, "down": None}
        self._gate: threading.Event | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept)
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def cut(self, direction: Direction, after: int, gate: threading.Event | None = None) -> None:
        """Drop, once, the connection on which the byte number `after`, counted from now over all connections, would travel; with
        a `gate`, only once that is open."""
        with self._lock:
            self._left[direction] = after
            self._gate = gate

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._gate:
            self._gate.set()
        _end(self._listener)
        self._accepting.join()  # from here on no connection comes
        self._listener.close()
        for connection in self._open:
            _end(connection)
        for thread in self._threads:
            thread.join()
        for connection in self._open:
            connection.close()

    def _start(self, run: object, *arguments: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            self._start(self._pump, client, server, "up")
            self._start(self._pump, server, client, "down")

    def _pump(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        try:
            while chunk := source.recv(_CHUNK):
                passed = chunk[: self._allowed(direction, len(chunk))]
                self._count(direction, len(passed))  # first: whoever has read it may ask for the count
                sink.sendall(passed)
                if len(passed) < len(chunk):
                    if self._gate:
                        self._gate.wait()
                    break
            else:
                sink.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        # Not with a reset: what was passed on would be lost before it is read, and the counts would mislead.
        _end(source)
        _end(sink)

    def _allowed(self, direction: Direction, size: int) -> int:
        with self._lock:
            left = self._left[direction]
            if left is None:
                return size
            self._left[direction] = left - size if size <= left else None
            return min(size, left)

    def _count(self, direction: Direction, size: int) -> None:
        with self._lock:
            if direction == "up":
                self.uploaded += size
            else:
                self.downloaded += size


def _end(connection: socket.socket) -> None:
    """End the connection in both directions; whoever reads from it now sees its end."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
