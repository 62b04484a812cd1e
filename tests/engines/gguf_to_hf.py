"""``python gguf_to_hf.py FILE.gguf FOLDER``, in the transformers environment: the same model as a Hugging Face folder."""

import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

file, folder = Path(sys.argv[1]), sys.argv[2]
model = AutoModelForCausalLM.from_pretrained(
    file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype="bfloat16"
)
model.save_pretrained(folder)
AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
