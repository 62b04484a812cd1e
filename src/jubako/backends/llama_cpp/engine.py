"""llama.cpp in this process, through xllamacpp."""

from __future__ import annotations

import asyncio
import atexit
import base64
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import xllamacpp
from msgspec import Struct
from numpy.typing import NDArray

from jubako.backends.llama_cpp.calls import GenerationCall, Mailbox
from jubako.backends.llama_cpp.chunks import Chunk, encode_request
from jubako.backends.llama_cpp.control import Control
from jubako.backends.llama_cpp.own_metrics import read_page
from jubako.backends.llama_cpp.params import LlamaCppParams
from jubako.backends.llama_cpp.servers import embedding_server, find_model, generation_server, step_tokens
from jubako.backends.text.engine import EngineInfo, GenerationParams, Piece, TextEngine
from jubako.backends.text.plan import too_long
from jubako.errors import ConfigurationError
from jubako.messages import EngineMetric, Prompt, TokenIds

T = TypeVar("T")

LONGEST_SOCKET_FOLDER = 80
"""A Unix socket's path has at most 103 bytes where it is shortest."""


class LlamaCppEngine(TextEngine):
    """One GGUF model.

    Args:
        weights: The model's file or folder.
        params: The entry's engine parameters.
        generates: Whether chats or completions are served.
        embeds: Whether embeddings are served.
    """

    def __init__(self, weights: Path, params: LlamaCppParams, *, generates: bool, embeds: bool) -> None:
        self._weights = weights
        self._params = params
        self._generates = generates
        self._embeds = embeds
        self._threads = ThreadPoolExecutor(params.n_parallel, thread_name_prefix="llama-generate")
        self._control_threads = ThreadPoolExecutor(1, thread_name_prefix="llama-control")
        self._embed_threads = ThreadPoolExecutor(1, thread_name_prefix="llama-embed")
        self._one_prompt = asyncio.Lock()
        self._held_tokens: dict[GenerationCall, int] = {}
        self._folder: Path | None = None
        self._server: xllamacpp.Server | None = None
        self._embedder: xllamacpp.Server | None = None
        self._control: Control
        self._mailbox: Mailbox
        self._info: EngineInfo

    @property
    def progress(self) -> int:
        return self._mailbox.received

    @property
    def kv_cache_usage(self) -> float | None:
        """The part that the generations under way fill; what llama.cpp keeps of earlier ones gives way to new ones."""
        return sum(self._held_tokens.values()) / (self._info.context_length * self._info.slots) if self._generates else None

    async def read_metrics(self) -> list[EngineMetric]:
        return read_page(await self._in(self._control_threads, self._control.metrics))

    async def load(self) -> EngineInfo:
        self._mailbox = Mailbox(step_tokens(self._params))
        self._info = await self._in(self._control_threads, self._load)
        return self._info

    async def close(self) -> None:
        for threads in (self._threads, self._control_threads, self._embed_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def generate(self, prompt: Prompt, params: GenerationParams) -> AsyncGenerator[Piece, None]:
        # llama.cpp computes one prompt after the other, and can't cancel one whose turn has not come. So they take turns here.
        await self._one_prompt.acquire()
        body = encode_request(prompt, params, self._info.context_length)
        call = GenerationCall(self._mailbox, body, on_prompt_in=self._one_prompt.release)
        assert self._server is not None
        self._threads.submit(call.run, self._server)
        try:
            while chunks := await call.chunks():
                for piece in _pieces(chunks, params):
                    self._held_tokens[call] = piece.prompt_tokens + piece.completion_tokens
                    yield piece
                    if piece.finish_reason is not None:
                        return
        finally:
            call.cancel()
            await call.over()
            self._held_tokens.pop(call, None)
        raise RuntimeError("llama.cpp ended an answer without saying why.")

    async def tokenize(self, text: str, *, add_special: bool) -> TokenIds:
        return await self._in(self._control_threads, lambda: self._control.tokenize(text, add_special))

    async def pieces(self, text: str, *, add_special: bool) -> tuple[TokenIds, list[str]]:
        tokens = await self._in(self._control_threads, lambda: self._control.pieces(text, add_special))
        return [token.id for token in tokens], [token.text for token in tokens]

    async def detokenize(self, tokens: TokenIds) -> str:
        return await self._in(self._control_threads, lambda: self._control.detokenize(tokens))

    async def embed(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        tokens = await self.tokenize(prompt, add_special=True) if isinstance(prompt, str) else prompt
        if len(tokens) > self._info.context_length:
            raise too_long(len(tokens), self._info.context_length, "input")
        return await self._in(self._embed_threads, lambda: self._embed(tokens)), len(tokens)

    def _embed(self, tokens: TokenIds) -> NDArray[np.float32]:
        assert self._embedder is not None
        answer = self._embedder.handle_embeddings(msgspec.json.encode({"input": [tokens], "encoding_format": "base64"}))
        (item,) = msgspec.json.decode(answer, type=_Embeddings).data
        vector = np.frombuffer(base64.b64decode(item.embedding), "<f4")
        length = float(np.linalg.norm(vector))
        return (vector / np.float32(length)).astype(np.float32) if length else vector

    def _load(self) -> EngineInfo:
        model = find_model(self._weights)
        folder = self._folder = _private_folder()
        sockets = []
        if self._generates:
            sockets.append(folder / "generate.sock")
            self._server = generation_server(model, self._params, sockets[-1])
        if self._embeds:
            sockets.append(folder / "embed.sock")
            self._embedder = embedding_server(model, self._params, sockets[-1])
        self._control = Control(sockets[0])
        props = self._control.props()
        return EngineInfo(
            context_length=props.default_generation_settings.n_ctx,
            vocab_size=self._control.vocab_size(),
            slots=self._params.n_parallel,
            chat_template=props.chat_template or None,
            bos_token=props.bos_token,
            eos_token=props.eos_token,
            adds_bos=bool(self._control.tokenize("", add_special=True)),
            constrains=xllamacpp.json_schema_to_grammar({}).startswith("%llguidance"),
        )

    async def _in(self, threads: ThreadPoolExecutor, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, function)


def _private_folder() -> Path:
    """A folder that nobody else may enter, removed by `close` or, failing that, at exit."""
    folder = Path(tempfile.mkdtemp(prefix="llama-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if len(str(folder)) > LONGEST_SOCKET_FOLDER:
        raise ConfigurationError(
            f"The temporary folder {folder.parent}, has a path too long for a Unix socket. Set TMPDIR to a shorter one."
        )
    return folder


class _Embedding(Struct):
    embedding: str


class _Embeddings(Struct):
    data: list[_Embedding]


def _pieces(chunks: list[Chunk], params: GenerationParams) -> Iterator[Piece]:
    for chunk in chunks:
        if chunk.error is not None:
            raise chunk.error.public()
        piece = _piece(chunk, params)
        if piece is not None:
            yield piece


def _piece(chunk: Chunk, params: GenerationParams) -> Piece | None:
    """What `chunk` says of the answer; None where it tells only how far the prompt is."""
    if chunk.prompt_progress is not None or not chunk.choices:
        return None
    choice, timings = chunk.choices[0], chunk.timings
    text, reason = choice.text, choice.finish_reason
    probs = choice.logprobs.content if choice.logprobs is not None else []
    if probs and probs[-1].id in params.stop_token_ids:
        text, reason = text if params.include_stop_token else "", "stop"
    top = params.top_logprobs
    return Piece(
        text,
        timings.predicted_n,
        timings.cache_n + timings.prompt_n,
        timings.cache_n,
        [token.public(top) for token in probs] if top is not None else [],
        reason,
    )
