"""The language of a text, by fastText's lid.176 (https://fasttext.cc/docs/en/language-identification.html)."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import fasttext
import numpy as np
from numpy.typing import NDArray

from jubako.model import ModelContext, Shape

BEST = 3
"""Languages that are named for each text."""


class Found(NamedTuple):
    """For each text, the most likely languages first."""

    languages: Annotated[NDArray[np.object_], Shape(BEST, description="ISO 639 codes, such as en.")]
    scores: Annotated[NDArray[np.float32], Shape(BEST, description="Their probabilities.")]


class Model:
    def __init__(self, context: ModelContext) -> None:
        self.model = fasttext.load_model(str(context.weights))

    def infer(self, text: list[str]) -> Found:
        found = [self._best(each) for each in text]
        return Found(
            languages=np.array([languages for languages, _ in found], dtype=object),
            scores=np.array([scores for _, scores in found], dtype=np.float32),
        )

    def _best(self, text: str) -> tuple[list[str], list[float]]:
        # The model was trained on single lines, and on few that were all in capitals.
        line = " ".join(text.split())
        labels, scores = self.model.predict(line.lower() if line.isupper() else line, k=BEST)
        missing = BEST - len(labels)
        return [*(label.removeprefix("__label__") for label in labels), *[""] * missing], [*scores, *[0.0] * missing]
