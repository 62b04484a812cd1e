"""Whether the models of a server are those that this package was made for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from jubako_client import ClientError, ModelVersion

from ._interface import INTERFACES, Interface

__all__ = ["DriftWarning", "Drifted", "OnDrift", "drift", "tell"]

OnDrift: TypeAlias = Literal["warn", "raise", "ignore"]
"""What to do where a model of the server has changed since this package was made."""

_LONGEST_LINE = 160


class DriftWarning(UserWarning):
    """Models of the server have changed since this package was made; what has not changed works."""


class Drifted(ClientError):
    """Models of the server have changed since this package was made."""


def drift(served: Iterable[ModelVersion]) -> list[str]:
    """What has changed, a sentence for each model. A model whose tensors the server does not know yet is passed over."""
    by_name = {version.model: version for version in served}
    found: list[str] = []
    for name, interface in INTERFACES.items():
        version = by_name.get(name)
        if version is None:
            found.append(f"The server has no model {name!r}.")
        elif version.interface_digest not in ("", interface.digest):
            found.append(_difference(interface, version))
    return found


def tell(changes: Sequence[str], on_drift: OnDrift) -> None:
    """
    Raises:
        Drifted: there are changes, and that is what `on_drift` asks for.
    """
    if not changes or on_drift == "ignore":
        return
    message = "\n".join(["The server is not the one that this package was made for. Make it again.", *changes])
    if on_drift == "raise":
        raise Drifted(message)
    warnings.warn(message, DriftWarning, stacklevel=3)


def _difference(interface: Interface, version: ModelVersion) -> str:
    mine, theirs = _lines_of_interface(interface), _lines_of_version(version)
    gone = "; ".join(_short(line) for line in mine if line not in theirs)
    new = "; ".join(_short(line) for line in theirs if line not in mine)
    said = [f"The model {interface.name!r} has changed."] + [f"Gone: {gone}."] * bool(gone) + [f"New: {new}."] * bool(new)
    return " ".join(said)


def _lines_of_interface(interface: Interface) -> list[str]:
    lines = _lines(interface.tasks, batched=interface.batched, decoupled=interface.decoupled)
    lines += [_line("input", each.name, each.datatype, each.shape, each.optional) for each in interface.inputs.values()]
    lines += [_line("output", each.name, each.datatype, each.shape) for each in interface.outputs.values()]
    return lines + [_labels(each.name, each.labels) for each in interface.outputs.values() if each.labels]


def _lines_of_version(version: ModelVersion) -> list[str]:
    signature = version.signature
    if signature is None:
        return _lines(version.tasks)
    lines = _lines(version.tasks, batched=signature.max_batch_size > 0, decoupled=signature.decoupled)
    lines += [_line("input", each.name, each.datatype, each.shape, each.optional) for each in signature.inputs]
    lines += [_line("output", each.name, each.datatype, each.shape) for each in signature.outputs]
    return lines + [_labels(each.name, each.labels) for each in signature.outputs if each.labels]


def _lines(tasks: Iterable[str], *, batched: bool = False, decoupled: bool = False) -> list[str]:
    return [f"task {task}" for task in tasks] + ["batch dimension"] * batched + ["any number of answers"] * decoupled


def _line(kind: str, name: str, datatype: str, shape: Sequence[int], optional: bool = False) -> str:
    return f"{kind} {name!r} {datatype} {list(shape)}{' optional' if optional else ''}"


def _labels(name: str, labels: Sequence[str]) -> str:
    return f"labels of {name!r}: {json.dumps(list(labels), ensure_ascii=False)}"


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."
