"""What a bento says of itself: its labels, and its README."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from jubako import __version__
from jubako.packaging.entries import Part
from jubako.packaging.locks import Variant
from jubako.packaging.weights import MOUNT, Weights, WeightsMode
from jubako.repository.cache import human_size
from jubako.repository.model import Version
from jubako.web import without_secrets

_GIT_TIMEOUT_S = 60

_MEANING: Mapping[Variant, str] = {"cpu": "PyTorch without CUDA", "cuda": "PyTorch for NVIDIA GPUs"}
_FOR_THE_CPU = (
    "",
    "`jubako containerize` finds the build of PyTorch without CUDA. Where you install the packages yourself, ask for it:",
    "",
    "```bash",
    "UV_TORCH_BACKEND=cpu uv pip install --no-deps -r env/python/requirements.txt",
    "```",
)


def labels_of(
    parts: Sequence[Part],
    weights: Sequence[Weights],
    mode: WeightsMode,
    content: str,
    commit: str,
    *,
    variant: Variant | None,
) -> dict[str, str]:
    """The labels of a bento, and of the image that is made of it.

    Args:
        content: The digest of all that the bento holds.
        commit: Of the repository; "" where there is none.
        variant: Which build of PyTorch the image has; None where it has none.
    """
    model, (version, *_) = parts[0].model, parts[0].versions
    labels = {
        "model": model.name,
        "version": str(version.number),
        "backend": model.config.backend,
        "variant": variant or "",
        "jubako": __version__,
        "content": f"sha256:{content}",
        "license": model.config.license,
        "revision": commit,
    }
    if weights:
        labels["weights"] = mode
    for held in weights:
        labels[f"weights.{held.version.model_name}.{held.version.number}"] = f"sha256:{held.digest}"
        labels[f"source.{held.version.model_name}.{held.version.number}"] = without_secrets(held.origin)
    return {name: value for name, value in labels.items() if value}


def commit_of(folder: Path) -> str:
    """The commit of the Git repository with `folder`, with ``-dirty`` where files differ from it; "" where there is none."""
    program = shutil.which("git")
    if program is None:
        return ""
    command = [program, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def readme(parts: Sequence[Part], weights: Sequence[Weights], mode: WeightsMode, tag: str, *, variant: Variant | None) -> str:
    """The bento's README."""
    model, (version, *_) = parts[0].model, parts[0].versions
    lines = [
        f"# {model.name}:{version.number}",
        "",
        model.config.description or f"A model on {model.config.backend}.",
        "",
        "| | |",
        "|---|---|",
        f"| backend | {model.config.backend} |",
        *([f"| variant | {variant}: {_MEANING[variant]} |"] if variant else []),
        f"| tasks | {', '.join(model.tasks)} |",
        f"| names | {', '.join(f'`{name}`' for name in model.served_names)} |",
        f"| licence | {model.config.license or 'not stated'} |",
        *(f"| weights of {_name(held.version)} | {human_size(held.size)}, sha256:{held.digest} |" for held in weights),
        *(f"| source of {_name(held.version)} | `{without_secrets(held.origin)}` |" for held in weights if held.origin),
        "",
        "```bash",
        f"bentoml serve {tag}",
        f"jubako containerize {tag}",
        "```",
        "",
        "HTTP on port 3000: OpenAI's API, KServe V2, `/docs`; `apis/openapi.yaml` describes it. gRPC on port 50051: `src/protos`",
        "describes it.",
        "",
        *_where(weights, mode),
        *(_FOR_THE_CPU if variant == "cpu" else []),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _where(weights: Sequence[Weights], mode: WeightsMode) -> list[str]:
    if not weights:
        return []
    match mode:
        case "baked":
            return ["The weights are in it."]
        case "source" | "artifact":
            return [
                "The weights are fetched, and verified, when it starts. `JUBAKO_CACHE_DIR` names the folder where they are kept."
            ]
        case "mounted":
            alone = len(weights) == 1
            lines = ["Mount the weights, which are verified when it starts:", ""]
            for held in weights:
                folder = MOUNT if alone else f"{MOUNT}/{held.version.model_name}/{held.version.number}"
                lines += [f"- `{folder}/{file.path}`" for file in held.files]
            return lines


def _name(version: Version) -> str:
    return f"{version.model_name}:{version.number}"


def bentofile(
    service: str, name: str, labels: Mapping[str, str], arguments: Mapping[str, object], models: Sequence[str]
) -> dict[str, object]:
    """The ``bentofile.yaml`` with which BentoML builds the bento."""
    return {
        "service": service,
        "name": name,
        "description": "file:README.md",
        "labels": dict(labels),
        "args": dict(arguments),
        "models": list(models),
        "include": ["*"],
        "python": {"lock_packages": False},
    }
