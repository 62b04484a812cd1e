from __future__ import annotations

import asyncio
import logging
import os

import pytest
import uvloop

from jubako.runner.output import Output


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_output_is_logged_by_lines_until_nobody_can_write(run: object, caplog: pytest.LogCaptureFixture) -> None:
    async def read() -> Output:
        reading, writing = os.pipe()
        output = Output("m:1#0")
        output.read_from(reading)
        for piece in (b"one\ntw", b"o\r", "dr\xe9i".encode()):
            os.write(writing, piece)
            await asyncio.sleep(0.01)
        assert not output.ended.is_set()
        os.close(writing)
        await output.ended.wait()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reading)
        return output

    with caplog.at_level(logging.INFO):
        assert callable(run)
        output = run(read())
    assert output.last_words == "one | two | dr\xe9i"
    assert caplog.messages == ["m:1#0: one", "m:1#0: two", "m:1#0: dr\xe9i"]
