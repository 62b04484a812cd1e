"""Make the client without asyncio from the one with it: ``python clients/python/without_async.py``.

Both do the same in the same order, so only one of them is written; the other differs in the words that are listed here. The same
source makes the same files.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
FOLDER: Final = HERE / "src" / "jubako_client"
MADE: Final = {"async_client.py": "client.py", "async_streams.py": "streams.py"}

WORDS: Final = (
    (
        r"It belongs to the event loop that first uses it\.",
        "Threads may share it, and a process that is forked from this one makes a connection of its own.",
    ),
    (r",? for asyncio\.", "."),
    (r"import asyncio\n", "import time\n"),
    (r"asyncio\.sleep", "time.sleep"),
    (r"\basync_streams\b", "streams"),
    (r"(?<![A-Za-z])Async(?=[A-Z])", ""),
    (r"\b(async|await) ", ""),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\ba(iter|next)\(", r"\1("),
    (r"\bStopAsyncIteration\b", "StopIteration"),
)
"""What stands in the source, as a pattern, and what stands in its place in the file that is made."""


def make(folder: Path) -> None:
    """Write the files into `folder`."""
    for source, target in MADE.items():
        text = (FOLDER / source).read_text()
        for pattern, instead in WORDS:
            text = re.sub(pattern, instead, text)
        text = f"# Made by clients/python/without_async.py from {source}. Change that instead.\n\n{text}"
        (folder / target).write_text(_formatted(text, FOLDER / target))


def _formatted(text: str, path: Path) -> str:
    for command in (["check", "--fix", "--select", "I"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", path, "-"]
        text = subprocess.run(ruff, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
