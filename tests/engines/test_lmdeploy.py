"""LMDeploy. It needs CUDA to generate; everywhere else the adapter's calls are checked against the real package's signatures."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from jubako.backends.lmdeploy.cuda import device_count
from jubako.paths import default_cache, shipped
from tests.engines.conftest import MakeEnvironment, Serve
from tests.serving import Server

MINUTES = 900
CALLS = Path(__file__).with_name("lmdeploy_calls.py")
LMDEPLOY = "lmdeploy==0.18.0"
LIGHT = (
    "addict==2.4.0",
    "einops==0.8.2",
    "fire==0.7.1",
    "mmengine-lite==0.10.7",
    "pillow==13.0.0",
    "platformdirs==4.14.5",
    "pybase64==1.5.1",
    "shortuuid==1.0.13",
    "termcolor==3.3.0",
    "yapf==0.43.0",
)
"""What importing it takes besides torch and transformers. The rest of its dependencies are for CUDA or for its own server."""

gpu = pytest.mark.skipif(device_count() == 0, reason="LMDeploy generates on NVIDIA GPUs only, and CUDA finds none here")


@pytest.fixture(scope="module")
def python(environment: MakeEnvironment) -> str:
    """An interpreter with the real lmdeploy, beside the torch and transformers of the transformers environment; made once, and
    kept in the user's cache."""
    base = next(Path(environment("transformers")).glob("lib/python*/site-packages"))
    folder = default_cache() / "tests" / f"lmdeploy-{base.parents[2].name}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    interpreter = folder / "bin" / "python"
    done = folder / "done"
    with folder.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            version = base.parent.name.removeprefix("python")
            uv: list[str | Path] = [sys.executable, "-m", "uv", "--quiet"]
            subprocess.run([*uv, "venv", "--clear", "--python", version, folder], timeout=MINUTES, check=True)
            install = [*uv, "pip", "install", "--python", interpreter, "--no-deps"]
            subprocess.run([*install, LMDEPLOY, *LIGHT], timeout=MINUTES, check=True)
            next(folder.glob("lib/python*/site-packages")).joinpath("base.pth").write_text(f"{base}\n")
            done.touch()
    return str(interpreter)


@pytest.fixture(scope="module")
def seen(python: str, smollm2_folder: Path) -> dict[str, Any]:
    ran = subprocess.run(
        [python, CALLS, smollm2_folder],
        env={**os.environ, "PYTHONPATH": str(shipped("src")), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=MINUTES,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return said


@pytest.mark.timeout(MINUTES)
def test_the_adapter_calls_lmdeploy_as_it_is(seen: dict[str, Any]) -> None:
    assert seen["engine"] == ["turbomind", "TurbomindEngineConfig"]
    assert (seen["text"], seen["tokens"], seen["prompt"], seen["cached"]) == ("Hello", 2, 3, 2)
    assert seen["reasons"] == [None, None, "stop"]
    assert seen["logprobs"] == [-0.5, -0.25]
    assert seen["alternatives"] == 1
    assert (seen["context"], seen["slots"], seen["vocabulary"]) == (2048, 64, 49152)
    assert seen["has_template"]
    assert not seen["constrains"]
    assert seen["closed"] == 2, "an answer that is closed must end in LMDeploy too"
    assert seen["last_asked"][0] is True
    assert seen["refused"] == "LMDeploy refuses the request: the number is unlucky"
    assert seen["detokenized"] == "".join(seen["pieces"]) == "Hello world"


def test_the_entry_becomes_the_engines_own_configuration(seen: dict[str, Any]) -> None:
    noted = [2, 2048, 0.5, 8, "awq", 64, "float16", True]
    assert seen["turbomind"] == [*noted, 2.0, 128]
    assert seen["pytorch"] == [*noted, 32, {"style": "/adapter"}]
    assert seen["auto"] in ("turbomind", "pytorch")


def test_what_lmdeploy_does_not_know_is_refused(seen: dict[str, Any]) -> None:
    assert seen["unknown"].startswith(
        "LMDeploy has no engine argument 'cache_max_entry_cont'. Did you mean cache_max_entry_count"
    )
    assert seen["of_the_other"] == "LMDeploy's engine pytorch has no 'rope_scaling_factor'; its engine turbomind has it."
    assert seen["bad"].startswith("LMDeploy refuses the entry: ")
    assert "engine: pytorch" in seen["adapters"]


@pytest.mark.timeout(MINUTES)
@pytest.mark.skipif(device_count() > 0, reason="there is a GPU, so LMDeploy is not refused")
def test_without_cuda_it_refuses_in_a_sentence_and_for_good(
    python: str, environment: MakeEnvironment, smollm2_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    (folder / "m" / "1").mkdir(parents=True)
    entry = f"backend: lmdeploy\nenvironment: {python}\nsource: file:{smollm2_folder}\nengine: {{tp: 1, quant_policy: 8}}\n"
    (folder / "m" / "model.yaml").write_text(entry)
    server = Server(folder, tmp_path / "server.log", {})
    try:
        server.start()
        server.wait_until(lambda: [each["state"] for each in httpx.get(f"{server.api}/models").json()["data"]] == ["FAILED"])
        (model,) = httpx.get(f"{server.api}/models").json()["data"]
    finally:
        server.kill()
    assert model["reason"].startswith("LMDeploy needs an NVIDIA GPU, and CUDA finds none on this machine.")
    assert "Traceback" not in server.log.read_text()


@gpu
@pytest.mark.timeout(MINUTES)
def test_it_generates(environment: MakeEnvironment, smollm2_folder: Path, serve: Serve) -> None:
    environment("lmdeploy")
    entry = (
        f"backend: lmdeploy\nsource: file:{smollm2_folder}\nengine: {{engine: ENGINE, session_len: 1024, max_batch_size: 8}}\n"
    )
    server = serve(turbomind=entry.replace("ENGINE", "turbomind"), pytorch=entry.replace("ENGINE", "pytorch"))
    for model in ("turbomind", "pytorch"):
        asked = {"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0}
        answer = httpx.post(f"{server.api}/chat/completions", json={**asked, "max_tokens": 24}, timeout=120).json()
        assert "Paris" in answer["choices"][0]["message"]["content"]
        assert 0 < answer["usage"]["completion_tokens"] <= 24
