"""Makes a folder in Hugging Face's format of a GGUF file: a program for an interpreter that has transformers and torch.

It imports nothing of jubako, because it runs in an engine's environment. ``gguf_to_hf.py FILE FOLDER DTYPE`` fills the empty
FOLDER, reads it again, and says on its standard output how far it is, one JSON object on a line:

``{"doing": "reading the weights", "share": 0.4}``
    how much of all the work is done, from 0 to 1;
``{"refused": "..."}``
    the file can't be converted; the sentence says why;
``{"converted": {...}}``
    all is done; what with, and what the file says of itself.

It ends when its standard input does, so that it outlives nobody.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import threading
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "gguf", "safetensors")
"""Those whose versions the provenance names."""

SAMPLES = (
    "Hello, world! 1234567890",
    "  two spaces,\ttabs\nand lines\r\n",
    "Äpfel und 寿司 🍣 in a ٨-tier box",
    "def f(x): return {'a': [x ** 2, -1.5e-3]}",
    "<|im_start|>user\nWho?<|im_end|>\n",
    "",
)
"""Texts on which the tokenizer that was written must agree with the one that was read."""

STAGES = {
    "reading the file": (0.0, 0.05),
    "reading the weights": (0.05, 0.6),
    "writing the folder": (0.6, 0.85),
    "checking the folder": (0.85, 1.0),
}
"""What part of the work each is, roughly."""


class Refused(Exception):
    """The file can't be converted. The text is a sentence."""


def say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Stage:
    """What is being done now, and how far it is."""

    def __init__(self) -> None:
        self.doing = ""
        self._said = -1

    def begin(self, doing: str) -> None:
        self.doing = doing
        self._said = int(100 * STAGES[doing][0])
        say(doing=doing, share=self._said / 100)

    def reach(self, part: float) -> None:
        """`part` of this stage, from 0 to 1, is done."""
        begins, ends = STAGES[self.doing]
        percent = int(100 * (begins + (ends - begins) * min(part, 1.0)))
        if percent > self._said:
            self._said = percent
            say(doing=self.doing, share=percent / 100)


def follow_progress_bars(stage: Stage) -> None:
    """Have the progress bars of transformers tell `stage` how far they are, and draw nothing. Before it is imported."""
    import tqdm.auto  # noqa: PLC0415 - this program runs where the module may be missing

    class Bar(tqdm.std.tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "file": Path(os.devnull).open("w"), "disable": False})  # noqa: SIM115

        def display(self, *_: Any, **__: Any) -> None:
            if self.total:
                stage.reach(self.n / self.total)

    tqdm.auto.tqdm = Bar


def convert(file: Path, folder: Path, dtype: str, stage: Stage) -> dict[str, object]:
    """Fill `folder`; returns what it was done with.

    Raises:
        Refused: transformers can't read the file, or what was written is not what was read.
    """
    stage.begin("reading the file")
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    transformers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    read = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    unpacked = transformers.GgufConfig(dequantize=True)  # else the weights stay packed, and can't be saved
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(**read)
        stage.begin("reading the weights")
        model = transformers.AutoModelForCausalLM.from_pretrained(
            **read, quantization_config=unpacked, dtype=getattr(torch, dtype)
        )
    except (ValueError, NotImplementedError, KeyError, OSError, ImportError) as error:
        raise Refused(f"transformers {transformers.__version__} can't read {file.name}: {one_line(error)}") from error
    architecture = type(model).__name__
    parameters = sum(weight.numel() for weight in model.parameters())
    stage.begin("writing the folder")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    del model
    stage.begin("checking the folder")
    check_tokenizer(tokenizer, transformers.AutoTokenizer.from_pretrained(folder))
    check_model(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto"), torch)
    stage.reach(1.0)
    return {
        "architecture": architecture,
        "parameters": parameters,
        "chat_template": tokenizer.chat_template is not None,
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def check_tokenizer(given: Any, written: Any) -> None:
    for text in SAMPLES:
        tokens = given(text)["input_ids"]
        if written(text)["input_ids"] != tokens or written.decode(tokens) != given.decode(tokens):
            raise Refused(f"The tokenizer that was written takes {text!r} apart in another way than the file's.")
    if written.chat_template != given.chat_template:
        raise Refused("The chat template that was written is not the file's.")


def check_model(written: Any, torch: Any) -> None:
    logits = written(torch.arange(8).unsqueeze(0)).logits
    if not torch.isfinite(logits).all():
        raise Refused("The model that was written computes numbers that are not finite. Convert it with the dtype float32.")


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def end_with_standard_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


def main() -> None:
    file, folder, dtype = sys.argv[1:]
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    stage = Stage()
    follow_progress_bars(stage)
    try:
        say(converted=convert(Path(file), Path(folder), dtype, stage))
    except Refused as error:
        say(refused=str(error))


if __name__ == "__main__":
    main()
