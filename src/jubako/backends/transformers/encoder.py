"""Encoders on transformers: embedding models, cross-encoders and classifiers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from jubako.backends.encoder.engine import EncoderEngine, EncoderInfo, Role, TokenSequence, Vector
from jubako.backends.processors import spare_processors
from jubako.backends.transformers.dense import Dense
from jubako.backends.transformers.encoder_model import first_position, load_model
from jubako.backends.transformers.heads import Activation, class_activation, class_labels, score_activation
from jubako.backends.transformers.packing import Packing, try_packing
from jubako.backends.transformers.params import TransformersParams
from jubako.backends.transformers.pooling import pool
from jubako.backends.transformers.sentence_files import Pooling, SentenceFiles, read_sentence_files
from jubako.errors import ConfigurationError
from jubako.messages import TokenIds

log = logging.getLogger(__name__)

LONGEST = 8192
"""Most tokens of a sequence where neither the entry nor the model's files bound it more."""

BATCH_TOKENS = {"cpu": 512, "cuda": 16384}
"""Tokens from which on a larger batch is hardly faster; on a CPU, 3300 tokens a second against 3470 were measured."""

SAMPLE = ("A text.", "Another one, which is longer than the first by a few words.", "Words")
"""What the model is tried with when it is loaded."""


class TransformersEncoder(EncoderEngine):
    """A Hugging Face folder; what lies beside the weights says how it is used."""

    def __init__(self, weights: Path, params: TransformersParams) -> None:
        self._weights = weights
        self._params = params
        self._files: SentenceFiles
        self._config: PretrainedConfig
        self._tokenizer: PreTrainedTokenizerBase
        self._model: PreTrainedModel
        self._modes: tuple[Pooling, ...] = ()
        self._normalizes = False
        self._dense: list[Dense] = []
        self._activation: Activation | None = None
        self._packing: Packing | None = None

    def load(self) -> EncoderInfo:
        transformers_logging.disable_progress_bar()
        if not self._weights.is_dir():
            raise ConfigurationError(f"{self._weights.name} is no folder in Hugging Face's format, with a config.json.")
        self._files = files = read_sentence_files(self._weights)
        torch.set_num_threads(self._params.num_threads or spare_processors())
        trusted = self._params.trust_remote_code
        try:
            self._config = AutoConfig.from_pretrained(files.model, trust_remote_code=trusted, local_files_only=True)
            self._tokenizer = AutoTokenizer.from_pretrained(files.model, trust_remote_code=trusted, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"The model's configuration or tokenizer can't be loaded: {error}") from error
        self._model = load_model(files.model, self._config, self._params)
        with torch.inference_mode():
            return self._describe_classifier() if self._classifies else self._describe_embedder()

    def tokenize(self, texts: Sequence[str], role: Role = "text", *, add_special: bool = True) -> list[TokenSequence]:
        prompt = self._prompt(role) if add_special else ""
        whole = [prompt + text for text in texts]
        left_out = self._prompt_tokens(prompt) if prompt and not self._files.pools_prompt else 0
        return self._sequences(self._encoded(whole, add_special=add_special), left_out)

    def tokenize_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[TokenSequence]:
        return self._sequences(self._encoded([query for query, _ in pairs], [document for _, document in pairs]))

    def pieces(self, ids: TokenIds) -> list[str]:
        return [self.detokenize([token]) for token in ids]

    def detokenize(self, ids: TokenIds) -> str:
        text: str = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text

    def encode(self, batch: Sequence[TokenSequence]) -> list[Vector]:
        with torch.inference_mode():
            return [*self._answers(batch).cpu().numpy()]

    # --- loading

    @property
    def _classifies(self) -> bool:
        return any(name.endswith("ForSequenceClassification") for name in self._config.architectures or ())

    def _describe_classifier(self) -> EncoderInfo:
        config = self._config
        if self._model.config.pad_token_id is None:
            self._model.config.pad_token_id = self._pad
        if config.num_labels == 1:
            self._activation = score_activation(config)
            return self._info(head="scores")
        self._activation = class_activation(config)
        return self._info(head="classes", labels=class_labels(config))

    def _describe_embedder(self) -> EncoderInfo:
        files, params = self._files, self._params
        causal = any(name.endswith("ForCausalLM") for name in self._config.architectures or ())
        by_default: tuple[Pooling, ...] = ("lasttoken",) if causal else ("mean",)
        self._modes = (params.pooling,) if params.pooling else files.pooling or by_default
        chosen = params.normalize if params.normalize is not None else files.normalize
        self._normalizes = True if chosen is None else chosen
        self._dense = [Dense(folder, self._model.device) for folder in files.dense]
        sample = self._sequences(self._encoded(list(SAMPLE)))
        if self._model.device.type == "cpu" and params.attn_implementation is None:
            alone = [self._padded([sequence]).last_hidden_state[0] for sequence in sample]
            self._packing = try_packing(self._model, first_position(self._model), sample, alone)
        (vector,) = self._vectors(sample[:1])
        return self._info(head="vectors", dimensions=len(vector))

    def _info(self, **fields: Any) -> EncoderInfo:
        kind = self._model.device.type
        return EncoderInfo(
            context_length=self._context_length(),
            vocab_size=self._model.get_input_embeddings().weight.shape[0],
            packs=self._packing is not None,
            batch_tokens=BATCH_TOKENS.get(kind, BATCH_TOKENS["cuda"]),
            batch_rows=64 if kind == "cpu" else 256,
            **fields,
        )

    def _context_length(self) -> int:
        positions = getattr(self._config, "max_position_embeddings", None)
        longest = LONGEST if positions is None or positions <= 0 else positions - first_position(self._model)
        asked = self._params.max_model_len
        if asked is not None:
            if positions is not None and asked > longest:
                raise ConfigurationError(f"max_model_len is {asked}, but the model has positions for {longest} tokens only.")
            return asked
        bounds = (self._files.max_seq_length, self._tokenizer.model_max_length, longest, LONGEST)
        return min(bound for bound in bounds if bound is not None and bound > 0)

    # --- text to tokens

    def _encoded(self, texts: list[str], others: list[str] | None = None, *, add_special: bool = True) -> Any:
        if self._files.lower_case:
            texts = [text.lower() for text in texts]
        return self._tokenizer(
            texts,
            others,
            add_special_tokens=add_special,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            verbose=False,
        )

    def _sequences(self, encoded: Any, prompt: int = 0) -> list[TokenSequence]:
        types = encoded.get("token_type_ids") or [None] * len(encoded["input_ids"])
        return [TokenSequence(ids, kinds, prompt) for ids, kinds in zip(encoded["input_ids"], types, strict=True)]

    def _prompt(self, role: Role) -> str:
        match role:
            case "query":
                return self._files.prompt("query")
            case "document":
                return self._files.prompt("document", "passage", "corpus")
            case "text":
                return self._files.prompt()

    def _prompt_tokens(self, prompt: str) -> int:
        """Tokens of the prompt in front of a text, without what ends a text."""
        (ids,) = self._encoded([prompt])["input_ids"]
        return len(ids) - (ids[-1] in self._tokenizer.all_special_ids)

    # --- tokens to numbers

    @property
    def _pad(self) -> int:
        pad: int | None = self._tokenizer.pad_token_id
        return 0 if pad is None else pad

    def _answers(self, batch: Sequence[TokenSequence]) -> Tensor:
        if self._activation is None:
            return self._vectors(batch)
        return self._activation(self._padded(batch).logits.float())

    def _vectors(self, batch: Sequence[TokenSequence]) -> Tensor:
        """The embeddings, shape [texts, dimensions], float32."""
        if self._packing is not None:
            hidden = self._packing.hidden(batch)
        else:
            states = self._padded(batch).last_hidden_state
            hidden = [state[: len(sequence)] for state, sequence in zip(states, batch, strict=True)]
        pooled = [pool(tokens, self._modes, sequence.prompt) for tokens, sequence in zip(hidden, batch, strict=True)]
        vectors = torch.stack(pooled)
        for layer in self._dense:
            vectors = layer(vectors)
        return torch.nn.functional.normalize(vectors, dim=-1) if self._normalizes else vectors

    def _padded(self, batch: Sequence[TokenSequence]) -> Any:
        """The model's own output for sequences padded on the right to the longest."""
        longest, device = max(map(len, batch)), self._model.device
        missing = [longest - len(sequence) for sequence in batch]
        ids = [[*sequence.ids, *[self._pad] * gap] for sequence, gap in zip(batch, missing, strict=True)]
        inputs = {"input_ids": torch.tensor(ids, device=device)}
        if any(sequence.type_ids is not None for sequence in batch):
            types = [
                [*(sequence.type_ids or [0] * len(sequence)), *[0] * gap] for sequence, gap in zip(batch, missing, strict=True)
            ]
            inputs["token_type_ids"] = torch.tensor(types, device=device)
        mask = torch.arange(longest)[None] < torch.tensor([len(sequence) for sequence in batch])[:, None]
        return self._model(**inputs, attention_mask=mask.long().to(device))
