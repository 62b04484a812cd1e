"""What is made of weights before an engine loads them: a Hugging Face folder of a GGUF file."""

from __future__ import annotations

from jubako.conversion.cached import converted_weights
from jubako.conversion.conversion import DTYPES, Conversion, dtype_for, make_folder
from jubako.conversion.interpreter import converting_interpreter
from jubako.conversion.program import Watch

__all__ = ["DTYPES", "Conversion", "Watch", "converted_weights", "converting_interpreter", "dtype_for", "make_folder"]
