"""What is made of a classification model's logits: scores of pairs, or probabilities of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from transformers import PretrainedConfig

from jubako.errors import ConfigurationError

Activation: TypeAlias = Callable[[Tensor], Tensor]
"""From logits, shape [texts, labels], to what is answered."""

_SCORES: dict[str, Activation] = {
    "Sigmoid": torch.nn.Sigmoid(),
    "Identity": torch.nn.Identity(),
    "Tanh": torch.nn.Tanh(),
}


def score_activation(config: PretrainedConfig) -> Activation:
    """What a model with one label does to it: what its configuration says to sentence-transformers' CrossEncoder, else sigmoid.

    Raises:
        ConfigurationError: it names what there is not.
    """
    said = (getattr(config, "sentence_transformers", None) or {}).get("activation_fn")
    said = said or getattr(config, "sbert_ce_default_activation_function", None) or "torch.nn.modules.activation.Sigmoid"
    name = str(said).rpartition(".")[2]
    if name not in _SCORES:
        raise ConfigurationError(f"The model's config.json says the activation {said!r}; there are: {', '.join(_SCORES)}.")
    activation: Activation = _SCORES[name]
    return activation


def class_activation(config: PretrainedConfig) -> Activation:
    """Probabilities that add up to one; each for itself where a text may have several labels."""
    if config.problem_type == "multi_label_classification":
        return _sigmoid
    return _softmax


def class_labels(config: PretrainedConfig) -> list[str]:
    return [str(config.id2label[index]) for index in range(config.num_labels)]


def _sigmoid(logits: Tensor) -> Tensor:
    return logits.sigmoid()


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(-1)
