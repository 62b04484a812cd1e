"""The gateway's word to the runner: what to load and unload, and which shared memory there is."""

from __future__ import annotations

import asyncio

import msgspec

from jubako.errors import InternalError, ModelNotReady
from jubako.messages import SharedRegion
from jubako.runner.orders import AliasOrder, ModelOrder, Outcome, RegionOrder


class Control:
    """The control plane of the runner whose socket is at `socket_path`.

    Each method returns what became of its order, and raises ModelNotReady while the runner is not there, InternalError when it
    fails. Cancelling one does not take back what it asked for.
    """

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path

    async def load(self, model: str) -> Outcome:
        return await self._post("/load", ModelOrder(model))

    async def unload(self, model: str) -> Outcome:
        return await self._post("/unload", ModelOrder(model))

    async def set_alias(self, model: str, alias: str, version: int) -> Outcome:
        return await self._post("/alias", AliasOrder(model, alias, version))

    async def delete_alias(self, model: str, alias: str) -> Outcome:
        return await self._post("/alias", AliasOrder(model, alias, None))

    async def register_region(self, region: SharedRegion) -> Outcome:
        return await self._post("/register", region)

    async def unregister_region(self, name: str | None) -> Outcome:
        return await self._post("/unregister", RegionOrder(name))

    async def _post(self, path: str, order: msgspec.Struct) -> Outcome:
        try:
            answer = await self._exchange(path, msgspec.json.encode(order))
        except OSError:
            raise ModelNotReady("The runner is being restarted. Try again in a moment.", retry_after_s=2) from None
        _, _, body = answer.partition(b"\r\n\r\n")
        if not body:
            raise ModelNotReady("The runner was restarted before it was done. Try again in a moment.", retry_after_s=2)
        try:
            return msgspec.json.decode(body, type=Outcome)
        except msgspec.MsgspecError:
            raise InternalError("The runner failed on this; the server's log says why.") from None

    async def _exchange(self, path: str, body: bytes) -> bytes:
        """The whole answer to a POST, its head as HTTP writes it."""
        reader, writer = await asyncio.open_unix_connection(self._socket_path)
        try:
            head = f"POST {path} HTTP/1.1\r\nHost: runner\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            return await reader.read()
        finally:
            writer.close()
