"""What one engine of encoders must be able to do; :class:`jubako.backends.encoder.model.EncoderBackend` does the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from jubako.messages import TokenIds

Vector: TypeAlias = NDArray[np.float32]

Head = Literal["vectors", "scores", "classes"]
"""What a loaded model gives for a sequence: an embedding, one score, or the probabilities of its classes."""

Role = Literal["text", "query", "document"]
"""What a text is for; some models were trained with another prompt in front of each."""


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """A text, or a pair of texts, as the model reads it.

    Attributes:
        ids: Its token ids, special tokens included.
        type_ids: Which text of a pair each token belongs to; None where the model does not tell them apart.
        prompt: Tokens at its beginning that are read, but do not count for the embedding.
    """

    ids: TokenIds
    type_ids: list[int] | None = None
    prompt: int = 0

    def __len__(self) -> int:
        return len(self.ids)


class EncoderInfo(Struct, frozen=True, kw_only=True):
    """What is known of a model once it is loaded.

    Attributes:
        head: What it gives.
        context_length: Most tokens of a sequence, special ones included.
        vocab_size: Token ids go from 0 to one less.
        dimensions: Length of its vectors; 0 for other heads.
        labels: Names of its classes; empty for other heads.
        packs: Whether sequences of any lengths are computed together without padding.
        batch_rows: Most sequences in a batch, where the entry does not say.
        batch_tokens: Most tokens in a batch, padding included, where the entry does not say.
    """

    head: Head
    context_length: int
    vocab_size: int
    dimensions: int = 0
    labels: list[str] = []
    packs: bool = False
    batch_rows: int = 64
    batch_tokens: int = 512


class EncoderEngine(ABC):
    """One loaded encoder. All methods block, and are called by threads.

    Tokenizing and detokenizing is done by one thread at a time; :meth:`encode` may be called at the same time, by up to
    ``batching.max_in_flight`` threads.
    """

    @abstractmethod
    def load(self) -> EncoderInfo:
        """Load the model.

        Raises:
            ConfigurationError: the entry is wrong or contradicts the weights, so that trying again is useless.
        """

    @abstractmethod
    def tokenize(self, texts: Sequence[str], role: Role = "text", *, add_special: bool = True) -> list[TokenSequence]:
        """What the model reads for each text, the prompt of its role in front where `add_special` says so. Nothing is cut off."""

    @abstractmethod
    def tokenize_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[TokenSequence]:
        """What the model reads for each pair of a query and a document. Nothing is cut off."""

    @abstractmethod
    def pieces(self, ids: TokenIds) -> list[str]:
        """The text of each token."""

    @abstractmethod
    def detokenize(self, ids: TokenIds) -> str:
        """The text of the tokens together."""

    @abstractmethod
    def encode(self, batch: Sequence[TokenSequence]) -> list[Vector]:
        """Compute one batch.

        Args:
            batch: Sequences of at least one token and at most ``context_length``, all ids in range.

        Returns:
            For each sequence an array, shape [dimensions], [1] or [labels], by the model's head.
        """

    def close(self) -> None:
        """Called once, after the last batch."""
