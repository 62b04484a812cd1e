"""Models of jubako, with their types.

Made by ``jubako client generate``, which makes the same of the same models: change nothing here.
"""

from ._drift import (
    Drifted,
    DriftWarning,
    OnDrift,
)
from .language import (
    AsyncLanguage,
    Language,
    LanguageOutputs,
    LanguageVersion,
)
from .magika import (
    AsyncMagika,
    Magika,
    MagikaOutputs,
    MagikaVersion,
)
from .minilm import (
    AsyncMinilm,
    Minilm,
    MinilmVersion,
)
from .models import (
    AsyncModels,
    Models,
    connect,
    connect_async,
)
from .names import (
    DIGESTS,
    ModelName,
)
from .ocr import (
    AsyncOcr,
    Ocr,
    OcrOutputs,
    OcrVersion,
)
from .ocr_classifier import (
    AsyncOcrClassifier,
    OcrClassifier,
    OcrClassifierOutputs,
    OcrClassifierVersion,
)
from .ocr_detector import (
    AsyncOcrDetector,
    OcrDetector,
    OcrDetectorOutputs,
    OcrDetectorVersion,
)
from .ocr_lines import (
    AsyncOcrLines,
    OcrLines,
    OcrLinesOutputs,
    OcrLinesVersion,
)
from .ocr_prepare import (
    AsyncOcrPrepare,
    OcrPrepare,
    OcrPrepareOutputs,
    OcrPrepareVersion,
)
from .ocr_recogniser import (
    AsyncOcrRecogniser,
    OcrRecogniser,
    OcrRecogniserOutputs,
    OcrRecogniserVersion,
)
from .orientation import (
    AsyncOrientation,
    Orientation,
    OrientationOutputs,
    OrientationVersion,
)
from .smollm2 import (
    AsyncSmollm2,
    Smollm2,
    Smollm2Version,
)
from .smollm2_transformers import (
    AsyncSmollm2Transformers,
    Smollm2Transformers,
    Smollm2TransformersVersion,
)
from .smollm2_vllm import (
    AsyncSmollm2Vllm,
    Smollm2Vllm,
    Smollm2VllmVersion,
)

__all__ = [
    "DIGESTS",
    "AsyncLanguage",
    "AsyncMagika",
    "AsyncMinilm",
    "AsyncModels",
    "AsyncOcr",
    "AsyncOcrClassifier",
    "AsyncOcrDetector",
    "AsyncOcrLines",
    "AsyncOcrPrepare",
    "AsyncOcrRecogniser",
    "AsyncOrientation",
    "AsyncSmollm2",
    "AsyncSmollm2Transformers",
    "AsyncSmollm2Vllm",
    "DriftWarning",
    "Drifted",
    "Language",
    "LanguageOutputs",
    "LanguageVersion",
    "Magika",
    "MagikaOutputs",
    "MagikaVersion",
    "Minilm",
    "MinilmVersion",
    "ModelName",
    "Models",
    "Ocr",
    "OcrClassifier",
    "OcrClassifierOutputs",
    "OcrClassifierVersion",
    "OcrDetector",
    "OcrDetectorOutputs",
    "OcrDetectorVersion",
    "OcrLines",
    "OcrLinesOutputs",
    "OcrLinesVersion",
    "OcrOutputs",
    "OcrPrepare",
    "OcrPrepareOutputs",
    "OcrPrepareVersion",
    "OcrRecogniser",
    "OcrRecogniserOutputs",
    "OcrRecogniserVersion",
    "OcrVersion",
    "OnDrift",
    "Orientation",
    "OrientationOutputs",
    "OrientationVersion",
    "Smollm2",
    "Smollm2Transformers",
    "Smollm2TransformersVersion",
    "Smollm2Version",
    "Smollm2Vllm",
    "Smollm2VllmVersion",
    "connect",
    "connect_async",
]
