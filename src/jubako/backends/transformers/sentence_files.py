"""What the files of sentence-transformers beside the weights say of pooling, normalisation, prompts and length.

Their layout is documented at https://sbert.net/docs/sentence_transformer/usage/custom_models.html. Nothing here needs an engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError

T = TypeVar("T")

Pooling = Literal["mean", "cls", "lasttoken", "max", "weightedmean", "mean_sqrt_len_tokens"]

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
TRANSFORMER_FILES = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)

_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The older spelling of the pooling, in the order in which the vectors of several are joined."""


class _Module(Struct):
    type: str
    path: str = ""

    @property
    def kind(self) -> str:
        return self.type.rpartition(".")[2]


class _Transformer(Struct):
    max_seq_length: int | None = None
    do_lower_case: bool = False


class _Prompts(Struct):
    prompts: dict[str, str | None] = {}
    default_prompt_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class SentenceFiles:
    """What they say.

    Attributes:
        model: The folder of the transformer itself.
        pooling: Ways of pooling, whose vectors are joined; None where there are no such files.
        normalize: Whether vectors get length one; None where there are no such files.
        dense: Folders of the linear layers between pooling and normalisation, in their order.
        max_seq_length: Most tokens of a sequence; None where it is not said.
        lower_case: Whether text is made lower case first.
        prompts: By name.
        default_prompt: The name of the one for texts that have no other, or None.
        pools_prompt: Whether the tokens of a prompt count for the vector.
    """

    model: Path
    pooling: tuple[Pooling, ...] | None = None
    normalize: bool | None = None
    dense: tuple[Path, ...] = ()
    max_seq_length: int | None = None
    lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    pools_prompt: bool = True

    def prompt(self, *names: str) -> str:
        """The first of these that there is, else the default one, else ""."""
        found = next((name for name in names if name in self.prompts), self.default_prompt)
        return self.prompts.get(found, "") if found is not None else ""


def read_sentence_files(folder: Path) -> SentenceFiles:
    """
    Raises:
        ConfigurationError: a file is broken, or names what can't be computed here.
    """
    if not (folder / MODULES).is_file():
        return SentenceFiles(model=folder)
    modules = _read(folder / MODULES, list[_Module])
    kinds = [module.kind for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or not set(kinds[2:]) <= {"Dense", "Normalize"}:
        raise ConfigurationError(
            f"The model is made of {', '.join(kinds)}, by its {MODULES}. Only Transformer and Pooling, followed by Dense and "
            "Normalize, can be served."
        )
    if "Normalize" in kinds[:-1]:
        raise ConfigurationError(f"Normalize must be the last in {MODULES}; nothing can be computed after it.")
    model = folder / modules[0].path
    transformer = _transformer(model)
    modes, pools_prompt = _pooling(folder / modules[1].path / "config.json")
    prompts = _read(folder / PROMPTS, _Prompts) if (folder / PROMPTS).is_file() else _Prompts()
    return SentenceFiles(
        model=model,
        pooling=modes,
        normalize="Normalize" in kinds,
        dense=tuple(folder / module.path for module in modules if module.kind == "Dense"),
        max_seq_length=transformer.max_seq_length,
        lower_case=transformer.do_lower_case,
        prompts={name: text for name, text in prompts.prompts.items() if text},
        default_prompt=prompts.default_prompt_name,
        pools_prompt=pools_prompt,
    )


def _transformer(folder: Path) -> _Transformer:
    file = next((folder / name for name in TRANSFORMER_FILES if (folder / name).is_file()), None)
    return _read(file, _Transformer) if file is not None else _Transformer()


def _pooling(file: Path) -> tuple[tuple[Pooling, ...], bool]:
    """The ways of pooling, and whether prompts count."""
    said = _read(file, dict[str, Any])
    modes = said.get("pooling_mode") or [mode for flag, mode in _POOLING_FLAGS.items() if said.get(flag)] or ["mean"]
    if isinstance(modes, str):
        modes = [modes]
    if wrong := [mode for mode in modes if mode not in get_args(Pooling)]:
        known = ", ".join(get_args(Pooling))
        raise ConfigurationError(f"{file.parent.name}/{file.name} says the pooling {wrong[0]!r}; there are: {known}.")
    return tuple(cast(Pooling, mode) for mode in modes), bool(said.get("include_prompt", True))


def _read(file: Path, as_type: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=as_type)
    except OSError as error:
        raise ConfigurationError(f"The model's file {file.name} can't be read: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"The model's file {file.name} is broken: {error}.") from None
