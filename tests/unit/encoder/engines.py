"""An encoder without weights, whose batches a test can see and hold up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from jubako.backends.base import ModelSpec
from jubako.backends.encoder.engine import EncoderEngine, EncoderInfo, Role, TokenSequence, Vector
from jubako.backends.encoder.model import EncoderBackend
from jubako.messages import Caller, Task, TokenIds

PATIENCE_S = 100.0

BROKEN = 99
"""The token that makes a batch fail."""

PROMPTS = {"text": "", "query": "q", "document": "d"}


class LetterEngine(EncoderEngine):
    """A letter is a token; the vector says how many there are, what they add up to, and the number one.

    Attributes:
        batches: The lengths of the sequences of each batch that was begun.
        gate: Batches end only while it is open.
        gated: The token without which a batch passes it; None stops all.
    """

    def __init__(self, **info: Any) -> None:
        self._info = EncoderInfo(**{"head": "vectors", "context_length": 50, "vocab_size": 100, "dimensions": 3, **info})
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.gated: int | None = None

    def load(self) -> EncoderInfo:
        return self._info

    def tokenize(self, texts: Sequence[str], role: Role = "text", *, add_special: bool = True) -> list[TokenSequence]:
        return [TokenSequence([ord(letter) - ord("a") + 1 for letter in PROMPTS[role] + text]) for text in texts]

    def tokenize_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[TokenSequence]:
        return self.tokenize([query + document for query, document in pairs])

    def pieces(self, ids: TokenIds) -> list[str]:
        return [chr(ord("a") + token - 1) for token in ids]

    def detokenize(self, ids: TokenIds) -> str:
        return "".join(self.pieces(ids))

    def encode(self, batch: Sequence[TokenSequence]) -> list[Vector]:
        self.batches.append([len(sequence) for sequence in batch])
        self.begun.release()
        if self.gated is None or any(self.gated in sequence.ids for sequence in batch):
            assert self.gate.wait(PATIENCE_S)
        if any(BROKEN in sequence.ids for sequence in batch):
            raise RuntimeError("a kernel failed")
        vectors = [np.array([len(sequence), sum(sequence.ids), 1], np.float32) for sequence in batch]
        match self._info.head:
            case "vectors":
                return vectors
            case "scores":
                return [vector[1:2] for vector in vectors]
            case "classes":
                return [vector[:2] / vector[:2].sum() for vector in vectors]


async def loaded(engine: LetterEngine, *tasks: Task, **spec: Any) -> EncoderBackend:
    """A backend over `engine`, ready to be asked."""
    backend = EncoderBackend(
        ModelSpec(model="letters", version=1, implementation="", tasks=list(tasks) or ["embedding"], **spec), engine
    )
    await backend.load()
    return backend


class Call:
    """Of no interest to encoders."""

    caller = Caller("test")
    stream = False

    def queued(self) -> None: ...

    def started(self) -> None: ...
