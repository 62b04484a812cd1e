"""Loads the model of an encoder, and makes sure that all of its weights were there."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    MODEL_FOR_TEXT_ENCODING_MAPPING,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTextEncoding,
    PretrainedConfig,
    PreTrainedModel,
)

from jubako.backends.transformers.loading import choose_device, choose_dtype
from jubako.backends.transformers.params import TransformersParams
from jubako.errors import ConfigurationError


def load_model(folder: Path, config: PretrainedConfig, params: TransformersParams) -> PreTrainedModel:
    """The model on its device, for computing only: with its head if it is one for classification, else without any.

    Raises:
        ConfigurationError: it can't be loaded, or weights that count are missing.
    """
    classifies = any(name.endswith("ForSequenceClassification") for name in config.architectures or ())
    # Of models with an encoder and a decoder only the former is wanted, which this one gives.
    without_head = AutoModelForTextEncoding if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel
    kind = AutoModelForSequenceClassification if classifies else without_head
    device = choose_device(params.device)
    try:
        model, report = kind.from_pretrained(
            folder,
            config=config,
            dtype=choose_dtype(params.dtype, device),
            attn_implementation=params.attn_implementation,
            device_map=params.device_map,
            trust_remote_code=params.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, ImportError) as error:
        raise ConfigurationError(f"The model can't be loaded: {error}") from error
    # Pooling is done here, from the tokens' states: what some architectures have for it need not be there.
    missing = sorted(name for name in report["missing_keys"] if classifies or "pooler" not in name)
    if missing:
        raise ConfigurationError(
            f"{len(missing)} of the weights that the model needs are not in its files, such as {missing[0]}. The files may be of "
            "another kind of model than config.json says."
        )
    loaded: PreTrainedModel = model.eval()
    if hasattr(config, "use_cache"):
        loaded.config.use_cache = False
    return loaded if params.device_map is not None else loaded.to(device)


def first_position(model: PreTrainedModel) -> int:
    """The number of a sequence's first position: models in the manner of RoBERTa begin after the number of the padding token."""
    embeddings = getattr(model.base_model, "embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1
