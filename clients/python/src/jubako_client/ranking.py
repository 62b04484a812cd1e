"""How well documents answer queries, and which classes texts belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jubako_client._protos import jubako_v1 as pb

__all__ = ["Classification", "RankedDocument"]


@dataclass(frozen=True)
class RankedDocument:
    """A document in its place.

    Attributes:
        index: Its place in the request.
        relevance_score: The higher, the better it answers.
        document: Its text; None where it was not wanted.
    """

    index: int
    relevance_score: float
    document: str | None


@dataclass(frozen=True)
class Classification:
    """The classes of one text: the most likely one, and the probability of each."""

    label: str
    probabilities: dict[str, float]


def ranked(given: pb.RerankResponse) -> list[RankedDocument]:
    return [
        RankedDocument(each.index, each.relevance_score, each.document if each.HasField("document") else None)
        for each in given.results
    ]


def scores(given: pb.ScoreResponse) -> npt.NDArray[np.float64]:
    return np.array(given.scores, dtype=np.float64)


def classifications(given: pb.ClassifyResponse) -> list[Classification]:
    return [
        Classification(each.label, dict(zip(given.labels, each.probabilities, strict=True))) for each in given.classifications
    ]


def vectors(given: pb.EmbedResponse) -> npt.NDArray[np.float32]:
    if not given.embeddings:
        return np.empty((0, 0), dtype=np.float32)
    return np.array([each.values for each in given.embeddings], dtype=np.float32)
