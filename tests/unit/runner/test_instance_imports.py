"""An instance may run under an interpreter that has little besides its engine."""

from __future__ import annotations

import subprocess
import sys

GATEWAY_ONLY = ["bentoml", "httpx", "prometheus_client", "pydantic", "starlette", "uvicorn", "yaml"]


def test_the_instance_program_imports_nothing_of_the_gateway() -> None:
    program = f"""
import sys
import jubako.runner.instance, jubako.backends.echo.backend
print([name for name in {GATEWAY_ONLY!r} if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_watching_imports_no_more_than_it_needs() -> None:
    program = f"""
import sys
import jubako.routing.watch
print([name for name in {GATEWAY_ONLY!r} if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
