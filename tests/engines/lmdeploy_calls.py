"""``python lmdeploy_calls.py MODEL_FOLDER``, in an environment with the real lmdeploy: runs the adapter against lmdeploy's own
classes, whose signatures refuse every call and every field that they do not have. Only what computes is left out.

It prints what it saw as JSON. Nothing of lmdeploy can generate without CUDA; that is for the GPU test.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from lmdeploy.messages import GenerationConfig, PytorchEngineConfig, TurbomindEngineConfig
from lmdeploy.serve.core.async_engine import AsyncEngine, GenOut, PreprocessedRequest
from lmdeploy.serve.core.exceptions import ErrorCode, RequestError
from lmdeploy.serve.managers import Session, SessionManager
from lmdeploy.tokenizer import Tokenizer

from jubako.backends.lmdeploy import engine as adapter
from jubako.backends.lmdeploy.arguments import choose_engine, engine_config
from jubako.backends.text.engine import GenerationParams
from jubako.errors import JubakoError

FOLDER = Path(sys.argv[1])
NOTED = {
    "tp": 2,
    "session_len": 2048,
    "cache_max_entry_count": 0.5,
    "quant_policy": 8,
    "model_format": "awq",
    "max_batch_size": 64,
    "dtype": "float16",
    "enable_prefix_caching": True,
}


def refusal(work: Any) -> str:
    try:
        work()
    except JubakoError as error:
        return error.message
    return ""


def started(calls: dict[str, Any]) -> Any:
    """What stands for AsyncEngine: its signatures, its tokenizer and its sessions, and answers that were written down."""
    stand_in = mock.create_autospec(AsyncEngine, spec_set=False)

    def make(*arguments: Any, **options: Any) -> Any:
        bound = inspect.signature(AsyncEngine).bind(*arguments, **options).arguments
        assert "kwargs" not in bound, f"AsyncEngine does not know {bound['kwargs']}"
        calls["engine"] = bound["backend"], type(bound["backend_config"]).__name__
        made = mock.create_autospec(AsyncEngine, instance=True)
        made.tokenizer = Tokenizer(str(FOLDER))
        made.session_len = bound["backend_config"].session_len
        made.backend_config = SimpleNamespace(max_batch_size=bound["backend_config"].max_batch_size)
        made.hf_cfg = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=49152))
        made.stop_words = [2]
        made.session_mgr = SessionManager()
        made.preprocess.side_effect = preprocess
        made.generate.side_effect = generate
        return made

    async def preprocess(messages: None, session: Session, **options: Any) -> PreprocessedRequest:
        bound = inspect.signature(AsyncEngine.preprocess).bind(None, messages, session, **options).arguments
        assert "kwargs" not in bound, f"preprocess does not know {bound['kwargs']}"
        assert isinstance(session, Session)
        assert isinstance(options["gen_config"], GenerationConfig)
        calls["asked"] = options["gen_config"]
        if options["input_ids"] == [13]:
            raise RequestError(ErrorCode.INVALID_REQUEST, "the number is unlucky")
        return PreprocessedRequest(session, {"input_ids": options["input_ids"]}, len(options["input_ids"]), calls["asked"], None)

    async def generate(request: PreprocessedRequest) -> AsyncIterator[GenOut]:
        try:
            yield GenOut("Hel", 3, 1, None, token_ids=[40], logprobs=[{40: -0.5, 41: -1.5}], cached_tokens=2)
            yield GenOut("lo", 3, 2, None, token_ids=[41], logprobs=[{41: -0.25}], cached_tokens=2)
            yield GenOut("", 3, 2, "stop", token_ids=[])
        finally:
            calls["closed"] = calls.get("closed", 0) + 1

    stand_in.side_effect = make
    return stand_in


async def converse(calls: dict[str, Any]) -> dict[str, Any]:
    with mock.patch.object(adapter, "AsyncEngine", started(calls)):
        engine = adapter.LmdeployEngine(FOLDER, {"engine": "turbomind", **NOTED}, name="m", adapters={})
        info = await engine.load()
    params = GenerationParams(max_tokens=5, temperature=0.0, top_logprobs=1, stop_token_ids=frozenset({7}), seed=-1)
    pieces = [piece async for piece in engine.generate([1, 2, 3], params)]
    outputs = engine.generate([1, 2, 3], GenerationParams(temperature=0.5))
    await anext(outputs)
    await outputs.aclose()
    tokens, texts = await engine.pieces("Hello world", add_special=False)
    refused = ""
    try:
        await anext(engine.generate([13], GenerationParams()))
    except JubakoError as error:
        refused = error.message
    await engine.close()
    return {
        "text": "".join(piece.text for piece in pieces),
        "tokens": pieces[-1].completion_tokens,
        "prompt": pieces[0].prompt_tokens,
        "cached": pieces[0].cached_tokens,
        "reasons": [piece.finish_reason for piece in pieces],
        "logprobs": [logprob.logprob for piece in pieces for logprob in piece.logprobs],
        "alternatives": len(pieces[0].logprobs[0].top_logprobs),
        "context": info.context_length,
        "slots": info.slots,
        "vocabulary": info.vocab_size,
        "has_template": bool(info.chat_template),
        "constrains": info.constrains,
        "pieces": texts,
        "detokenized": await engine.detokenize(tokens),
        "refused": refused,
    }


def main() -> None:
    calls: dict[str, Any] = {}
    conversation = asyncio.run(converse(calls))
    asked = calls["asked"]
    turbomind = engine_config("turbomind", {**NOTED, "rope_scaling_factor": 2.0, "cache_block_seq_len": 128}, {})
    pytorch = engine_config("pytorch", {**NOTED, "block_size": 32}, {"style": "/adapter"})
    assert isinstance(turbomind, TurbomindEngineConfig)
    assert isinstance(pytorch, PytorchEngineConfig)
    sys.stdout.write(
        json.dumps(
            {
                **conversation,
                "engine": calls["engine"],
                "closed": calls["closed"],
                "last_asked": [asked.do_sample, asked.temperature, asked.top_k, asked.stop_token_ids],
                "turbomind": [getattr(turbomind, name) for name in (*NOTED, "rope_scaling_factor", "cache_block_seq_len")],
                "pytorch": [getattr(pytorch, name) for name in (*NOTED, "block_size", "adapters")],
                "auto": choose_engine(FOLDER, {}),
                "unknown": refusal(lambda: engine_config("turbomind", {"cache_max_entry_cont": 1}, {})),
                "of_the_other": refusal(lambda: engine_config("pytorch", {"rope_scaling_factor": 2.0}, {})),
                "bad": refusal(lambda: engine_config("turbomind", {"dtype": "float16", "quant_policy": 5}, {})),
                "adapters": refusal(lambda: engine_config("turbomind", {}, {"style": "/adapter"})),
            }
        )
    )


if __name__ == "__main__":
    main()
