"""llama.cpp in a process of its own with nothing around it: what `benchmarks.llm` compares with.

Reads one job a line from standard input, answers with one line of JSON: prompts in, times out.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xllamacpp

QUIET = -1


def main() -> None:
    settings = json.loads(sys.argv[1])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["weights"]
    parameters.n_parallel = settings["slots"]
    parameters.n_ctx = settings["context_length"] * settings["slots"]
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = settings["threads"]
    if settings["batch"]:
        parameters.n_batch = parameters.n_ubatch = settings["batch"]
    parameters.verbosity = QUIET
    server = xllamacpp.Server(parameters)
    with ThreadPoolExecutor(settings["slots"]) as pool:
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            begun = time.perf_counter()
            streams = [pool.submit(_stream, server, prompt, job["new_tokens"], begun) for prompt in job["prompts"]]
            print(json.dumps([stream.result() for stream in streams]), flush=True)


def _stream(server: xllamacpp.Server, prompt: list[int], new_tokens: int, begun: float) -> dict[str, float]:
    arrivals: list[float] = []
    last: list[bytes] = []

    def arrive(chunk: bytes) -> bool:
        arrivals.append(time.perf_counter() - begun)
        last[:] = [chunk]
        return False

    body: dict[str, Any] = {
        "prompt": prompt,
        "max_tokens": new_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
    }
    server.handle_completions(json.dumps(body).encode(), arrive)
    timings = json.loads(last[0])["timings"]
    assert timings["predicted_n"] == new_tokens, timings
    return {"first_s": arrivals[0], "last_s": arrivals[-1]}


if __name__ == "__main__":
    main()
