"""/docs in a real browser: what a person sees there, and that it needs nothing but this server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving import Server

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_S = 120.0

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What a browser asks its maker stays here, as does whatever the page might ask of anyone else.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-logging=stderr",
    "--virtual-time-budget=8000",
    "--dump-dom",
]


@pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium")
def test_the_page_lists_every_endpoint_and_the_browser_complains_of_nothing(server: Server, tmp_path: Path) -> None:
    assert BROWSER
    ran = subprocess.run(
        [BROWSER, *QUIET, f"--user-data-dir={tmp_path}", f"{server.url}/docs"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    for path in ("/v1/chat/completions", "/v1/models/{model}", "/readyz"):
        assert f'data-path="{path}"' in ran.stdout
    assert "<span>Authorize</span>" in ran.stdout, "where a person puts a key"
    # A script or style that the page's own security policy forbids, such as one of another host, is told on the console.
    assert [line for line in ran.stderr.splitlines() if ":CONSOLE" in line] == []
