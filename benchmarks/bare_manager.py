"""The continuous batching of transformers with nothing around it: what `benchmarks.continuous_batching` compares with.

Reads one job a line from standard input, answers with one line of JSON: prompts in, times out.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.continuous_api import ContinuousBatchingManager
from transformers.generation.continuous_batching.requests import GenerationOutput
from transformers.utils.logging import disable_progress_bar


def main() -> None:
    settings = json.loads(sys.argv[1])
    disable_progress_bar()
    torch.set_num_threads(settings["threads"])
    model = AutoModelForCausalLM.from_pretrained(settings["weights"], dtype=settings["dtype"], attn_implementation="eager")
    config = ContinuousBatchingConfig(
        page_size=32,
        num_blocks=settings["slots"] * (settings["context_length"] // 32 + 1),
        max_batch_tokens=256,
        max_requests_per_batch=settings["slots"],
    )
    manager = model.init_continuous_batching(GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0), config)
    manager.start()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(asyncio.run(_streams(manager, job["prompts"], job["new_tokens"]))), flush=True)
    manager.stop(hard_stop=True)


async def _streams(manager: ContinuousBatchingManager, prompts: list[list[int]], new_tokens: int) -> list[dict[str, float]]:
    begun = time.perf_counter()
    return await asyncio.gather(*(_stream(manager, prompt, new_tokens, begun) for prompt in prompts))


async def _stream(manager: ContinuousBatchingManager, prompt: list[int], new_tokens: int, begun: float) -> dict[str, float]:
    arrivals: list[float] = []
    over = asyncio.Event()
    name = f"{begun}-{prompt[:2]}"

    def arrive(output: GenerationOutput) -> Any:
        arrivals.append(time.perf_counter() - begun)
        if output.is_finished():
            assert len(output.generated_tokens) == new_tokens, output.error
            over.set()

    manager.register_result_handler(name, arrive)
    manager.add_request(prompt, name, max_new_tokens=new_tokens, streaming=True)
    await over.wait()
    return {"first_s": arrivals[0], "last_s": arrivals[-1]}


if __name__ == "__main__":
    main()
