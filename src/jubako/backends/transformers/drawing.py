"""Draws tokens at random, a different way for each row of a batch."""

from __future__ import annotations

from collections.abc import Sequence as Rows

import torch

from jubako.backends.transformers.sequence import Sequence

CANDIDATES = 256
"""So many of the likeliest tokens are sorted at first; nearly always the others have no part in a narrow choice."""


def draw(logits: torch.Tensor, sequences: Rows[Sequence]) -> torch.Tensor:
    """A token for each row of `logits`, shape [rows, vocab_size], as the sequence in the same place wants it. Shape [rows].

    Each row takes one number from its own sequence, so that a seed repeats whatever else is in the batch.
    """
    temperatures = _column([sequence.params.temperature for sequence in sequences], logits)
    probabilities = torch.softmax(logits / temperatures, dim=-1)
    numbers = _column([sequence.draw() for sequence in sequences], logits)
    narrow = [row for row, sequence in enumerate(sequences) if _is_narrow(sequence)]
    if not narrow:
        return _pick(probabilities, numbers)
    tokens = torch.empty(len(sequences), dtype=torch.int64, device=logits.device)
    wide = [row for row, sequence in enumerate(sequences) if not _is_narrow(sequence)]
    if wide:
        tokens[wide] = _pick(probabilities[wide], numbers[wide])
    tokens[narrow] = _draw_narrow(probabilities[narrow], numbers[narrow], [sequences[row] for row in narrow])
    return tokens


def _is_narrow(sequence: Sequence) -> bool:
    params = sequence.params
    return params.top_k > 0 or params.top_p < 1 or params.min_p > 0


def _draw_narrow(probabilities: torch.Tensor, numbers: torch.Tensor, sequences: Rows[Sequence]) -> torch.Tensor:
    """Of the `top_k` likeliest, those with at least `min_p` of the likeliest one's probability; of these, the likeliest that
    together have `top_p`."""
    vocab_size = probabilities.shape[-1]
    top_k = _column([sequence.params.top_k or vocab_size for sequence in sequences], probabilities)
    top_p = _column([sequence.params.top_p for sequence in sequences], probabilities)
    min_p = _column([sequence.params.min_p for sequence in sequences], probabilities)
    candidates = min(vocab_size, max(CANDIDATES, *(sequence.params.top_k for sequence in sequences)))
    values, indices = torch.topk(probabilities, candidates, sorted=True)
    if candidates < vocab_size and not bool(_suffice(values, top_k, top_p, min_p).all()):
        values, indices = torch.sort(probabilities, descending=True)
    places = torch.arange(values.shape[-1], device=values.device)
    values = values.masked_fill((places >= top_k) | (values < min_p * values[:, :1]), 0.0)
    before = values.cumsum(-1) - values
    # The likeliest stays, whatever top_p is.
    outside = before >= top_p * values.sum(-1, keepdim=True)
    outside[:, 0] = False
    values = values.masked_fill(outside, 0.0)
    return indices.gather(-1, _pick(values, numbers).unsqueeze(-1)).squeeze(-1)


def _suffice(values: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, min_p: torch.Tensor) -> torch.Tensor:
    """Whether a row's likeliest tokens, sorted, hold all that may be drawn."""
    by_rank = top_k <= values.shape[-1]
    by_share = values[:, -1:] < min_p * values[:, :1]
    by_sum = (min_p == 0) & (values.sum(-1, keepdim=True) >= top_p)
    return by_rank | by_share | by_sum


def _pick(weights: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The place in each row up to which the weights make up the row's number, as a part of their sum. Shape [rows]."""
    sums = weights.cumsum(-1, dtype=torch.float64)
    places = torch.searchsorted(sums, numbers.double() * sums[:, -1:], right=True).squeeze(-1)
    # Where rounding leads beyond the end, the likeliest.
    beyond = places >= weights.shape[-1]
    return torch.where(beyond, weights.argmax(-1), places)


def _column(values: Rows[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device).unsqueeze(-1)
