"""A sentence embedder as it is usually batched: as many texts as wait, up to a fixed number, padded to the longest.

The model of Python code that `benchmarks.embeddings` compares with; it runs in the environment of transformers.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from jubako.model import ModelContext, Shape

DIMENSIONS = 384


class Embedded(NamedTuple):
    embedding: Annotated[NDArray[np.float32], Shape(DIMENSIONS)]


class Model:
    """all-MiniLM-L6-v2: mean of the tokens' states, of length one."""

    def __init__(self, context: ModelContext) -> None:
        torch.set_num_threads(int(context.parameters["threads"]))
        self._tokenizer = AutoTokenizer.from_pretrained(context.weights, local_files_only=True)
        self._model = AutoModel.from_pretrained(context.weights, local_files_only=True, attn_implementation="sdpa").eval()

    def infer(self, text_input: list[str]) -> Embedded:
        inputs = self._tokenizer(text_input, padding="longest", truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            states = self._model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1)
            mean = (states * mask).sum(1) / mask.sum(1)
            return Embedded(torch.nn.functional.normalize(mean, dim=-1).numpy())
