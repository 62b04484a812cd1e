"""Backends that misbehave, for instances of the tests. What goes wrong is said by the parameters or by the request."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from jubako.backends.base import Backend
from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.errors import ConfigurationError
from jubako.messages import CompletionRequest, Delta, GenerateEvent, GenerateRequest, ModelInfo, Usage

UNTIL = "until there is "
"""The prompt of a completion that begins at once, and ends when there is a file of the path behind this."""


class Troubled(Backend):
    """``trouble`` in its parameters happens while it loads; the prompt of a completion happens while it generates."""

    _running = 0

    async def load(self) -> ModelInfo:
        match self.spec.params.get("trouble"):
            case "exit":
                sys.stdout.write("out of luck\n")
                sys.stderr.write("really out of luck\n")
                os._exit(3)
            case "raise":
                raise ValueError("the weights are upside down")
            case "refuse":
                raise ConfigurationError("This entry can never work.")
            case "hang":
                # As an engine would: in a thread, which nothing can stop.
                await asyncio.to_thread(time.sleep, 3600)
            case "leave a child":
                # It holds this process's output open, as an engine's workers would.
                subprocess.Popen(["sleep", "3600"])  # noqa: ASYNC220 - only its existence matters
        return ModelInfo(context_length=7)

    def current_load(self) -> Load:
        return Load(running=self._running, queued=0, capacity=4, progress=0)

    async def generate(self, request: GenerateRequest, call: CallContext) -> AsyncIterator[GenerateEvent]:
        assert isinstance(request, CompletionRequest)
        self._running += 1
        try:
            match request.prompts[0]:
                case str(prompt) if prompt.startswith(UNTIL):
                    yield Delta(0, "begun ")
                    while not Path(prompt.removeprefix(UNTIL)).exists():  # noqa: ASYNC110, ASYNC240 - the test makes it when it likes
                        await asyncio.sleep(0.02)
                case "exit":
                    os._exit(7)
                case "make no progress":
                    await asyncio.Event().wait()
                case "block":
                    time.sleep(3600)  # noqa: ASYNC251 - the trouble itself
                case "be cancelled from inside":
                    raise asyncio.CancelledError
                case "raise":
                    raise ValueError("a secret of the server")
            yield Delta(0, "fine", finish_reason="stop")
            yield Usage(1, 1)
        finally:
            self._running -= 1
