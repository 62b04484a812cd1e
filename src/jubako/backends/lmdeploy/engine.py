"""LMDeploy's asynchronous engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
from lmdeploy.serve.core.async_engine import AsyncEngine
from lmdeploy.serve.core.exceptions import ErrorCode, RequestError
from numpy.typing import NDArray

from jubako.backends.lmdeploy.answer import generation_config, read_piece
from jubako.backends.lmdeploy.arguments import choose_engine, complaint, engine_config
from jubako.backends.text.engine import EngineInfo, GenerationParams, Piece, TextEngine
from jubako.backends.text.plan import too_long
from jubako.errors import ConfigurationError, InvalidRequest, Unsupported
from jubako.messages import Prompt, TokenIds

_CALLERS = {ErrorCode.INVALID_REQUEST, ErrorCode.UNSUPPORTED_FEATURE, ErrorCode.PREPROCESS_FAILED}
"""Errors that the request is to blame for."""


class LmdeployEngine(TextEngine):
    """One model on TurboMind or on LMDeploy's engine of PyTorch.

    Its guided decoding takes JSON Schemas, expressions and tags, and none of the grammars that requests come with here, so
    answers are not constrained.

    Args:
        weights: Its folder.
        params: The entry's engine parameters: fields of `LmdeployParams`, and LMDeploy's own.
        name: The model's.
        adapters: Folders of LoRA adapters, by the names under which requests ask for them.
    """

    def __init__(self, weights: Path, params: Mapping[str, Any], *, name: str, adapters: Mapping[str, str]) -> None:
        self._weights = weights
        self._params = params
        self._name = name
        self._adapters = adapters
        self._progress = 0
        self._engine: AsyncEngine
        self._tokenizer: Any
        self._special: frozenset[str]

    @property
    def progress(self) -> int:
        return self._progress

    async def load(self) -> EngineInfo:
        self._engine = engine = await asyncio.to_thread(self._start)
        # The engine of PyTorch belongs to the loop that asks it.
        engine.start_loop(asyncio.get_running_loop(), use_async_api=True)
        self._tokenizer = tokenizer = engine.tokenizer.model.model
        self._special = frozenset(added.content for added in tokenizer.added_tokens_decoder.values() if added.special)
        bos = tokenizer.bos_token_id
        return EngineInfo(
            context_length=engine.session_len,
            vocab_size=max(len(tokenizer), getattr(engine.hf_cfg.get_text_config(), "vocab_size", 0)),
            slots=engine.backend_config.max_batch_size,
            chat_template=tokenizer.chat_template,
            bos_token=tokenizer.bos_token or "",
            eos_token=tokenizer.eos_token or "",
            adds_bos=bos is not None and self._encode("", add_special=True)[:1] == [bos],
            constrains=False,
        )

    async def close(self) -> None:
        await asyncio.to_thread(self._engine.close)

    async def generate(self, prompt: Prompt, params: GenerationParams) -> AsyncGenerator[Piece, None]:
        tokens = self._encode(prompt, add_special=True) if isinstance(prompt, str) else prompt
        if len(tokens) >= self._engine.session_len:
            raise too_long(len(tokens), self._engine.session_len, None)
        config = generation_config(params, frozenset(self._engine.stop_words or ()), self._special)
        session = self._engine.session_mgr.get()
        try:
            request = await self._engine.preprocess(
                None, session, gen_config=config, input_ids=list(tokens), adapter_name=params.adapter or None
            )
            # Closing the outputs cancels the request, and returns once its place is free.
            async with aclosing(self._engine.generate(request)) as outputs:
                async for output in outputs:
                    self._progress += 1
                    yield read_piece(output, params.top_logprobs, self._text_of)
        except RequestError as error:
            if error.code in _CALLERS:
                raise InvalidRequest(f"LMDeploy refuses the request: {error.message}") from error
            raise

    async def tokenize(self, text: str, *, add_special: bool) -> TokenIds:
        return await asyncio.to_thread(self._encode, text, add_special=add_special)

    async def pieces(self, text: str, *, add_special: bool) -> tuple[TokenIds, list[str]]:
        tokens = self._encode(text, add_special=add_special)
        return tokens, [self._text_of(token) for token in tokens]

    async def detokenize(self, tokens: TokenIds) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False)
        return text

    async def embed(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        raise Unsupported("LMDeploy has no embeddings.", param="model")

    def _start(self) -> AsyncEngine:
        engine = choose_engine(self._weights, self._params)
        config = engine_config(engine, self._params, self._adapters)
        try:
            return AsyncEngine(
                str(self._weights),
                model_name=self._name,
                backend=engine,
                backend_config=config,
                trust_remote_code=bool(self._params.get("trust_remote_code")),
            )
        except (ValueError, TypeError, AssertionError, KeyError, NotImplementedError, OSError) as error:
            raise ConfigurationError(f"LMDeploy refuses the model: {complaint(error)}") from error

    def _encode(self, text: str, *, add_special: bool) -> TokenIds:
        return list(self._tokenizer.encode(text, add_special_tokens=add_special))

    def _text_of(self, token: int) -> str:
        """A token's text by itself; bytes that are no whole character are replaced."""
        text: str = self._tokenizer.decode([token], skip_special_tokens=False)
        return text
