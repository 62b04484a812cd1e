"""All models, and whether the server still has them."""

from __future__ import annotations

from jubako_client import AsyncClient, Client

from ._drift import OnDrift, drift, tell
from .language import (
    AsyncLanguage,
    Language,
)
from .magika import (
    AsyncMagika,
    Magika,
)
from .minilm import (
    AsyncMinilm,
    Minilm,
)
from .ocr import (
    AsyncOcr,
    Ocr,
)
from .ocr_classifier import (
    AsyncOcrClassifier,
    OcrClassifier,
)
from .ocr_detector import (
    AsyncOcrDetector,
    OcrDetector,
)
from .ocr_lines import (
    AsyncOcrLines,
    OcrLines,
)
from .ocr_prepare import (
    AsyncOcrPrepare,
    OcrPrepare,
)
from .ocr_recogniser import (
    AsyncOcrRecogniser,
    OcrRecogniser,
)
from .orientation import (
    AsyncOrientation,
    Orientation,
)
from .smollm2 import (
    AsyncSmollm2,
    Smollm2,
)
from .smollm2_transformers import (
    AsyncSmollm2Transformers,
    Smollm2Transformers,
)
from .smollm2_vllm import (
    AsyncSmollm2Vllm,
    Smollm2Vllm,
)

__all__ = ["AsyncModels", "Models", "connect", "connect_async"]


class Models:
    """The models, asked through `client`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.language = Language(client)
        self.magika = Magika(client)
        self.minilm = Minilm(client)
        self.ocr = Ocr(client)
        self.ocr_classifier = OcrClassifier(client)
        self.ocr_detector = OcrDetector(client)
        self.ocr_lines = OcrLines(client)
        self.ocr_prepare = OcrPrepare(client)
        self.ocr_recogniser = OcrRecogniser(client)
        self.orientation = Orientation(client)
        self.smollm2 = Smollm2(client)
        self.smollm2_transformers = Smollm2Transformers(client)
        self.smollm2_vllm = Smollm2Vllm(client)

    def drift(self) -> list[str]:
        """What has changed on the server since this package was made, a sentence for each model."""
        return drift(self.client.models())


class AsyncModels:
    """The models, asked through `client`."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.language = AsyncLanguage(client)
        self.magika = AsyncMagika(client)
        self.minilm = AsyncMinilm(client)
        self.ocr = AsyncOcr(client)
        self.ocr_classifier = AsyncOcrClassifier(client)
        self.ocr_detector = AsyncOcrDetector(client)
        self.ocr_lines = AsyncOcrLines(client)
        self.ocr_prepare = AsyncOcrPrepare(client)
        self.ocr_recogniser = AsyncOcrRecogniser(client)
        self.orientation = AsyncOrientation(client)
        self.smollm2 = AsyncSmollm2(client)
        self.smollm2_transformers = AsyncSmollm2Transformers(client)
        self.smollm2_vllm = AsyncSmollm2Vllm(client)

    async def drift(self) -> list[str]:
        """What has changed on the server since this package was made, a sentence for each model."""
        return drift(await self.client.models())


def connect(client: Client, *, on_drift: OnDrift = "warn") -> Models:
    """The models of the server that `client` asks, once it is seen that they are those that this package was made for.

    ::

        with Client("127.0.0.1:50051") as client:
            models = connect(client)

    Args:
        on_drift: What to do where they are not: give a :class:`DriftWarning`, raise :class:`Drifted`, or not even look.

    Raises:
        Drifted: they are not, and `on_drift` is ``"raise"``.
        JubakoError: the server can't be asked.
    """
    models = Models(client)
    if on_drift != "ignore":
        tell(models.drift(), on_drift)
    return models


async def connect_async(client: AsyncClient, *, on_drift: OnDrift = "warn") -> AsyncModels:
    """As :func:`connect`, for asyncio."""
    models = AsyncModels(client)
    if on_drift != "ignore":
        tell(await models.drift(), on_drift)
    return models
