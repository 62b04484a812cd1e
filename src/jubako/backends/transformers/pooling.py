"""From a vector for each token to one for the whole text, as sentence-transformers computes it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from jubako.backends.transformers.sentence_files import Pooling


def pool(tokens: Tensor, modes: Sequence[Pooling], prompt: int = 0) -> Tensor:
    """The vectors of all `modes`, joined.

    Args:
        tokens: Shape [tokens, size], without padding.
        prompt: Tokens at the beginning that do not count.

    Returns:
        Shape [len(modes) * size], float32.
    """
    counted = tokens[prompt:] if 0 < prompt < len(tokens) else tokens
    first = len(tokens) - len(counted)
    return torch.cat([_pooled(counted.float(), mode, first) for mode in modes])


def _pooled(tokens: Tensor, mode: Pooling, first: int) -> Tensor:
    match mode:
        case "mean":
            return tokens.mean(0)
        case "cls":
            return tokens[0]
        case "lasttoken":
            return tokens[-1]
        case "max":
            return tokens.amax(0)
        case "mean_sqrt_len_tokens":
            return tokens.sum(0) / sqrt(len(tokens))
        case "weightedmean":
            # A token counts as many times as its place in the text: 1, 2, 3 ...
            weights = torch.arange(first + 1, first + len(tokens) + 1, dtype=tokens.dtype, device=tokens.device)
            return weights @ tokens / weights.sum()
