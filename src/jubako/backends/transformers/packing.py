"""Sequences end to end in one row: no token of padding is computed, and each sequence attends to itself alone.

On a CPU this is faster than any padded batch: the linear layers, where the time goes, see one long matrix, and attention costs no
more than the sequences' own. Not every architecture can be computed so, so each model is tried when it is loaded, against the
ordinary way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from jubako.backends.encoder.engine import TokenSequence

log = logging.getLogger(__name__)

ATTENTION = "jubako_packed"

TOLERANCE = {torch.float32: 1e-4}
"""How far apart the two ways may be, relative to the largest value; for other dtypes :data:`COARSE_TOLERANCE`."""

COARSE_TOLERANCE = 3e-2


def packed_attention(  # noqa: PLR0917 - the library says so
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sequence_lengths: list[int] | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention as `transformers.AttentionInterface` asks for it.

    Args:
        query: Shape [1, heads, tokens, size]; `key` and `value` may have fewer heads.
        sequence_lengths: Of the sequences that make up the tokens.

    Returns:
        Shape [1, tokens, heads, size].
    """
    if sequence_lengths is None:
        raise TypeError("the model does not pass the lengths on to its attention")
    causal = bool(getattr(module, "is_causal", False))
    grouped = key.shape[1] != query.shape[1]
    parts = zip(*(tensor.split(sequence_lengths, dim=2) for tensor in (query, key, value)), strict=True)
    attended = [scaled_dot_product_attention(q, k, v, scale=scaling, is_causal=causal, enable_gqa=grouped) for q, k, v in parts]
    return torch.cat(attended, dim=2).transpose(1, 2), None


class Packing:
    """A model that computes packed sequences.

    Args:
        first_position: The number of a sequence's first position: 0, but for models in the manner of RoBERTa.
    """

    def __init__(self, model: PreTrainedModel, first_position: int) -> None:
        self._model = model
        self._first_position = first_position

    def hidden(self, batch: Sequence[TokenSequence]) -> list[Tensor]:
        """For each sequence the last hidden state, shape [tokens, size]."""
        lengths = [len(sequence) for sequence in batch]
        device = self._model.device
        inputs = {"input_ids": torch.tensor([[token for sequence in batch for token in sequence.ids]], device=device)}
        if all(sequence.type_ids is not None for sequence in batch):
            types = [[kind for sequence in batch for kind in sequence.type_ids or ()]]
            inputs["token_type_ids"] = torch.tensor(types, device=device)
        positions = [self._first_position + place for length in lengths for place in range(length)]
        outputs = self._model(**inputs, position_ids=torch.tensor([positions], device=device), sequence_lengths=lengths)
        return [*outputs.last_hidden_state[0].split(lengths)]


def try_packing(
    model: PreTrainedModel, first_position: int, sample: Sequence[TokenSequence], alone: list[Tensor]
) -> Packing | None:
    """`model` set to compute packed sequences, if that gives what it gives for each sequence alone; else it is as it was.

    Args:
        alone: The hidden states of `sample`, each computed by itself.
    """
    if _looks_only_nearby(model):
        return None
    before = model.config._attn_implementation
    AttentionInterface.register(ATTENTION, packed_attention)
    packing = Packing(model, first_position)
    try:
        model.set_attn_implementation(ATTENTION)
        together = packing.hidden(sample)
    except Exception as error:
        log.info("sequences are padded, because this model can't compute them packed: %s", error)
    else:
        if all(_same(one, other) for one, other in zip(alone, together, strict=True)):
            return packing
        log.info("sequences are padded, because this model gives something else for packed ones")
    model.set_attn_implementation(before)
    return None


def _looks_only_nearby(model: PreTrainedModel) -> bool:
    """Whether some layers attend to a window only, which a short sample would not show."""
    config = model.config
    windows = (getattr(config, name, None) for name in ("sliding_window", "local_attention", "attention_window"))
    return any(windows) or any("sliding" in str(kind) for kind in getattr(config, "layer_types", None) or ())


def _same(one: Tensor, other: Tensor) -> bool:
    allowed = TOLERANCE.get(one.dtype, COARSE_TOLERANCE) * max(1.0, float(one.abs().max()))
    return one.shape == other.shape and float((one - other).abs().max()) <= allowed
