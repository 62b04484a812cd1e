"""Models that write text, on the continuous batching of transformers."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jubako.backends.text.engine import EngineInfo, GenerationParams, Piece, TextEngine
from jubako.backends.text.masks import Grammars
from jubako.backends.text.plan import too_long
from jubako.backends.transformers.answer import Answer
from jubako.backends.transformers.batching import batching_config
from jubako.backends.transformers.loading import load
from jubako.backends.transformers.manager import Manager
from jubako.backends.transformers.params import TransformersParams
from jubako.backends.transformers.sampler import Sampler
from jubako.backends.transformers.sequence import Sequence
from jubako.backends.transformers.streams import Mailbox, Stream
from jubako.backends.transformers.tokens import Tokens
from jubako.errors import Unsupported
from jubako.messages import Prompt, TokenIds

log = logging.getLogger(__name__)

LONG_TEXT = 4096
"""Characters from which text is tokenised in a thread: up to here, changing threads takes longer."""


class TransformersEngine(TextEngine):
    """One causal model.

    Args:
        weights: A Hugging Face folder.
        params: The entry's engine parameters.
    """

    def __init__(self, weights: Path, params: TransformersParams) -> None:
        self._weights = weights
        self._params = params
        self._manager: Manager
        self._tokens: Tokens
        self._grammars: Grammars
        self._mailbox: Mailbox
        self._info: EngineInfo
        self._end_tokens: frozenset[int]

    @property
    def progress(self) -> int:
        return self._manager.steps

    @property
    def kv_cache_usage(self) -> float | None:
        return self._manager.cache_usage

    async def load(self) -> EngineInfo:
        self._mailbox = Mailbox()
        self._info = await asyncio.to_thread(self._load)
        return self._info

    async def close(self) -> None:
        await asyncio.to_thread(self._manager.stop, hard_stop=True)

    async def generate(self, prompt: Prompt, params: GenerationParams) -> AsyncGenerator[Piece, None]:
        tokens = await self.tokenize(prompt, add_special=True) if isinstance(prompt, str) else prompt
        room = self._info.context_length - len(tokens)
        if room < 1:
            raise too_long(len(tokens), self._info.context_length, None)
        matcher = None
        if params.grammar is not None:
            matcher = await asyncio.to_thread(self._grammars.start, params.grammar)
        sequence = Sequence(tokens, params, matcher, self._manager.model.device)
        ends = params.stop_token_ids if params.ignore_eos else params.stop_token_ids | self._end_tokens
        max_tokens = min(params.max_tokens or room, room)
        answer = Answer(self._tokens, params, ends, len(tokens))
        stream = Stream()
        request_id = self._manager.begin(sequence, tokens, max_tokens, set(ends))
        self._mailbox.streams[request_id] = stream
        try:
            while steps := await stream.steps():
                for step in steps:
                    yield answer.piece(step)
        finally:
            try:
                if not stream.is_over:
                    self._manager.cancel_request(request_id)
                    await stream.over()
            finally:
                self._manager.forget(request_id)
                del self._mailbox.streams[request_id]

    async def tokenize(self, text: str, *, add_special: bool) -> TokenIds:
        if len(text) < LONG_TEXT:
            return self._tokens.encode(text, add_special=add_special)
        return await asyncio.to_thread(self._tokens.encode, text, add_special=add_special)

    async def pieces(self, text: str, *, add_special: bool) -> tuple[TokenIds, list[str]]:
        tokens = await self.tokenize(text, add_special=add_special)
        return tokens, [self._tokens.text_of(token) for token in tokens]

    async def detokenize(self, tokens: TokenIds) -> str:
        return self._tokens.decode(tokens)

    async def embed(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        raise Unsupported(
            "A model that writes text gives no embeddings here; make an entry of its own for an encoder.", param="model"
        )

    def _load(self) -> EngineInfo:
        loaded = load(self._weights, self._params)
        model = loaded.model
        vocab_size = int(model.get_output_embeddings().weight.shape[0])
        self._tokens = Tokens(loaded.tokenizer, vocab_size, loaded.end_tokens)
        self._end_tokens = loaded.end_tokens
        self._grammars = Grammars(self._tokens.known, vocab_size)
        config = batching_config(model, self._params, loaded.context_length)
        self._manager = Manager(model, config, Sampler(self._grammars), self._mailbox, _leave)
        self._manager.start()
        return EngineInfo(
            context_length=loaded.context_length,
            vocab_size=vocab_size,
            slots=self._params.max_num_seqs,
            chat_template=self._tokens.chat_template,
            bos_token=self._tokens.bos_token,
            eos_token=self._tokens.eos_token,
            adds_bos=self._tokens.adds_bos,
        )


def _leave(error: BaseException) -> None:
    """End the process: its answers are lost, and only a new one can compute again. The runner starts it."""
    log.critical("the engine's thread failed; leaving", exc_info=error)
    logging.shutdown()
    os._exit(1)
