"""Chooses the next token of every answer in a batch, each in its own way."""

from __future__ import annotations

from collections.abc import Sequence as Rows
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.continuous_batching.requests import FutureRequestState

from jubako.backends.text.masks import Grammars
from jubako.backends.transformers.drawing import draw
from jubako.backends.transformers.sequence import Chosen, Sequence

Row = tuple[int, Sequence]
"""A sequence and its row of the logits."""


class Sampler(ContinuousBatchingLogitsProcessorList):  # type: ignore[misc] # the library has no types
    """Takes the place of the manager's logits processors, which know neither seeds, grammars nor what a request generated.

    The manager shows it each batch before it is computed, and the logits after. The manager then takes the greatest logit of
    each row, so a token is chosen by making its logit the greatest. Rows that simply want the likeliest token are not touched.

    Args:
        grammars: Says which tokens the sequences' grammars allow.
    """

    def __init__(self, grammars: Grammars) -> None:
        super().__init__(LogitsProcessorList())
        self.do_processing = True
        self.sequences: dict[str, Sequence] = {}
        """Those that are in the batch or wait for it, by the ids of their requests."""
        self._grammars = grammars
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="grammars")
        self._rows: list[Row] = []
        self._constrained: list[Row] = []
        self._allowed: Future[NDArray[np.bool_]]

    def prepare_tensor_args(self, requests_in_batch: list[FutureRequestState], arg_storage: torch.Tensor) -> torch.Tensor:
        """Called before a batch is computed. What the grammars allow is found out meanwhile, in another thread."""
        rows: list[Row] = []
        row = 0
        for request in requests_in_batch:
            sequence = self.sequences.get(request.state.request_id)
            if sequence is not None:
                if sequence.cached_tokens is None:
                    sequence.cached_tokens = request.state.position_offset - request.query_length
                if request.has_new_token and not sequence.plain:
                    rows.append((row, sequence))
            row += request.has_new_token
        self._rows = rows
        self._constrained = [(row, sequence) for row, sequence in rows if sequence.matcher is not None]
        if self._constrained:
            matchers = [sequence.matcher for _, sequence in self._constrained if sequence.matcher is not None]
            self._allowed = self._thread.submit(self._grammars.allowed, matchers)
        return arg_storage

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, logits_processor_args: Any) -> torch.Tensor:
        """`scores` are the logits, float32 of shape [rows, vocab_size], changed in place."""
        if not self._rows:
            return scores
        logprobs = _logprobs(scores, [row for row in self._rows if row[1].params.top_logprobs is not None])
        for row, sequence in self._rows:
            sequence.adjust(scores[row])
        if self._constrained:
            allowed = torch.from_numpy(self._allowed.result()).to(scores.device)
            rows = [row for row, _ in self._constrained]
            scores[rows] = scores[rows].masked_fill_(~allowed, -torch.inf)
        for (row, sequence), token in zip(self._rows, self._choose(scores), strict=True):
            if row in logprobs:
                sequence.chosen.append(logprobs[row].of(token))
            scores[row, token] = torch.inf
            sequence.advance(token)
        return scores

    def _choose(self, scores: torch.Tensor) -> list[int]:
        """A token for each of the rows that are chosen here."""
        tokens = scores[[row for row, _ in self._rows]].argmax(-1)
        places = [place for place, (_, sequence) in enumerate(self._rows) if sequence.sampled]
        if places:
            sampled = [self._rows[place] for place in places]
            tokens[places] = draw(scores[[row for row, _ in sampled]], [sequence for _, sequence in sampled])
        chosen: list[int] = tokens.tolist()
        return chosen


class _RowLogprobs:
    """The log probabilities of one row, before the request's own wishes."""

    def __init__(self, row: torch.Tensor, top: list[tuple[int, float]]) -> None:
        self._row = row
        self._top = top

    def of(self, token: int) -> Chosen:
        return Chosen(token, float(self._row[token]), self._top)


def _logprobs(scores: torch.Tensor, rows: Rows[Row]) -> dict[int, _RowLogprobs]:
    """By row."""
    if not rows:
        return {}
    logprobs = torch.log_softmax(scores[[row for row, _ in rows]], dim=-1)
    values, tokens = torch.topk(logprobs, max(1, *(sequence.params.top_logprobs or 0 for _, sequence in rows)))
    tops = [list(zip(*pair, strict=True)) for pair in zip(tokens.tolist(), values.tolist(), strict=True)]
    return {
        row: _RowLogprobs(logprobs[place], tops[place][: sequence.params.top_logprobs])
        for place, (row, sequence) in enumerate(rows)
    }
