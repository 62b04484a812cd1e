"""vLLM's asynchronous engine."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vllm.exceptions import VLLMClientError
from vllm.inputs import tokens_input
from vllm.lora.request import LoRARequest
from vllm.pooling_params import PoolingParams
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from jubako.backends.text.engine import EngineInfo, GenerationParams, Piece, TextEngine
from jubako.backends.text.plan import too_long
from jubako.backends.vllm.answer import AnswerReader, sampling_params
from jubako.backends.vllm.arguments import complaint, engine_config
from jubako.backends.vllm.guard import guard_process_group
from jubako.backends.vllm.statistics import Steps, metrics
from jubako.backends.vllm.vocabulary import Vocabulary
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import EngineMetric, Prompt, TokenIds

log = logging.getLogger(__name__)


class VllmEngine(TextEngine):
    """One model.

    Args:
        weights: Its folder.
        params: The entry's engine parameters: fields of `VllmParams`, and vLLM's own arguments.
        name: The model's, for vLLM's metrics.
        adapters: Folders of LoRA adapters, by the names under which requests ask for them.
        embeds: Whether the model embeds; else it generates.
    """

    def __init__(self, weights: Path, params: Mapping[str, Any], *, name: str, adapters: Mapping[str, str], embeds: bool) -> None:
        self._weights = weights
        self._params = params
        self._name = name
        self._embeds = embeds
        self._adapters = {
            adapter: LoRARequest(adapter, number, folder) for number, (adapter, folder) in enumerate(adapters.items(), 1)
        }
        self._steps = Steps()
        self._numbers = itertools.count()
        self._closing = False
        self._llm: AsyncLLM
        self._vocabulary: Vocabulary
        self._context_length: int

    @property
    def progress(self) -> int:
        return self._steps.count

    @property
    def kv_cache_usage(self) -> float | None:
        return None if self._embeds else self._steps.kv_cache_usage

    def metrics(self) -> list[EngineMetric]:
        return metrics()

    async def load(self) -> EngineInfo:
        guard_process_group()
        self._llm = await asyncio.to_thread(self._start)
        config = self._llm.vllm_config
        vocab_size, self._context_length = config.model_config.get_vocab_size(), config.model_config.max_model_len
        self._vocabulary = await asyncio.to_thread(Vocabulary, self._llm.get_tokenizer(), vocab_size)
        for adapter in self._adapters.values():
            await self._add(adapter)
        await self._answer_once()
        vocabulary = self._vocabulary
        return EngineInfo(
            context_length=self._context_length,
            vocab_size=vocab_size,
            slots=config.scheduler_config.max_num_seqs,
            chat_template=vocabulary.chat_template,
            bos_token=vocabulary.bos_token,
            eos_token=vocabulary.eos_token,
            adds_bos=vocabulary.adds_bos,
            constrains=vocabulary.constrains,
            scores_prompt=True,
        )

    async def close(self) -> None:
        self._closing = True
        await asyncio.to_thread(self._llm.shutdown)

    async def generate(self, prompt: Prompt, params: GenerationParams) -> AsyncGenerator[Piece, None]:
        tokens = await self._tokens(prompt)
        if len(tokens) >= self._context_length:
            raise too_long(len(tokens), self._context_length, None)
        reader = AnswerReader(tokens, params, self._vocabulary)
        try:
            outputs = self._llm.generate(
                tokens_input(tokens),
                sampling_params(params, self._vocabulary),
                self._request_id(),
                lora_request=self._adapters[params.adapter] if params.adapter else None,
            )
            async with aclosing(outputs):
                async for output in outputs:
                    yield reader.read(output)
        except VLLMClientError as error:
            raise _refusal(error, params) from error
        except EngineDeadError:
            self._end_process()

    async def tokenize(self, text: str, *, add_special: bool) -> TokenIds:
        return await self._vocabulary.encode(text, add_special=add_special)

    async def pieces(self, text: str, *, add_special: bool) -> tuple[TokenIds, list[str]]:
        tokens = await self._vocabulary.encode(text, add_special=add_special)
        return tokens, [self._vocabulary.text_of(token) for token in tokens]

    async def detokenize(self, tokens: TokenIds) -> str:
        return self._vocabulary.decode(tokens)

    async def embed(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        tokens = await self._tokens(prompt)
        if len(tokens) > self._context_length:
            raise too_long(len(tokens), self._context_length, "input")
        outputs = self._llm.encode(tokens_input(tokens), PoolingParams(task="embed"), self._request_id())
        try:
            async with aclosing(outputs):
                async for output in outputs:
                    vector: NDArray[np.float32] = output.outputs.data.float().numpy()
                    length = float(np.linalg.norm(vector))
                    return (vector / np.float32(length) if length else vector), len(tokens)
        except VLLMClientError as error:
            raise InvalidRequest(f"vLLM refuses the input: {complaint(error)}", param="input") from error
        except EngineDeadError:
            self._end_process()
        raise RuntimeError("vLLM ended without an embedding.")

    def _start(self) -> AsyncLLM:
        arguments, config = engine_config(
            self._weights,
            self._params,
            name=self._name,
            adapters={adapter.lora_name: adapter.lora_path for adapter in self._adapters.values()},
            embeds=self._embeds,
        )
        return AsyncLLM.from_vllm_config(
            config,
            usage_context=UsageContext.OPENAI_API_SERVER,
            stat_loggers=[self._steps.logger],
            disable_log_stats=arguments.disable_log_stats,
        )

    async def _add(self, adapter: LoRARequest) -> None:
        """Load it now: what is wrong with it is said before any request asks for it."""
        try:
            await self._llm.add_lora(adapter)
        except EngineDeadError:
            raise
        except Exception as error:
            raise ConfigurationError(f"vLLM can't load the adapter {adapter.lora_name!r}: {complaint(error)}") from error

    async def _answer_once(self) -> None:
        """A request of our own, so that the first of the callers' finds everything at work."""
        if self._embeds:
            await self.embed([0])
        else:
            async with aclosing(self.generate([0], GenerationParams(max_tokens=1, temperature=0))) as pieces:
                async for _ in pieces:
                    pass
        # It listens to the engine core, and ends only with it.
        assert self._llm.output_handler is not None
        self._llm.output_handler.add_done_callback(lambda _: self._end_process())

    async def _tokens(self, prompt: Prompt) -> TokenIds:
        return await self._vocabulary.encode(prompt, add_special=True) if isinstance(prompt, str) else prompt

    def _request_id(self) -> str:
        return str(next(self._numbers))

    def _end_process(self) -> None:
        """The engine core is dead and can't be started again; the runner starts a new instance."""
        if not self._closing:
            log.critical("vLLM's engine core has died; its last words are above")
            logging.shutdown()
            os._exit(1)


def _refusal(error: VLLMClientError, params: GenerationParams) -> InvalidRequest:
    words = complaint(error)
    if params.grammar is not None and "grammar" in words.lower():
        return InvalidRequest(f"The grammar can't be used: {words}", param="grammar")
    return InvalidRequest(f"vLLM refuses the request: {words}", param=getattr(error, "parameter", None))
