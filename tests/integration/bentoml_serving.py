"""BentoML's own command, as a person uses it who has no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx

from tests.serving import Server, free_port
from tests.unit.cli.command import clean_environment


@contextmanager
def bentoml_serve(
    arguments: Sequence[str], folder: Path, log: Path, *, python: str | Path = sys.executable, **variables: str
) -> Iterator[Server]:
    """``bentoml serve`` with these arguments in `folder`, once it is ready; stopped on leaving.

    Args:
        python: The interpreter that has BentoML.
        variables: More of its environment.
    """
    said, port = dict(pairwise(arguments)).get("--port"), free_port()
    server = Server(folder, log, {}, port=int(said or port), grpc_port=free_port())
    settings = {"JUBAKO_PORT": str(port), "JUBAKO_GRPC_PORT": str(server.grpc_port), "BENTOML_DO_NOT_TRACK": "true"}
    with log.open("ab") as out:
        server.process = subprocess.Popen(
            [python, "-m", "bentoml", "serve", *arguments],
            cwd=folder,
            env=clean_environment(**{**settings, **variables}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        server.wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
        yield server
    finally:
        server.kill()
