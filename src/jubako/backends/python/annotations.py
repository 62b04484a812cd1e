"""What the annotations of ``infer`` say of tensors."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import numpy as np

from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import Parameter
from jubako.tensors import DATATYPES, Datatype, datatype_of

Parameters: TypeAlias = Mapping[str, Parameter]
"""The annotation of the argument of ``infer`` that gets the parameters of the request."""

Text: TypeAlias = Literal["one", "list"]


class Shape:
    """What an annotation says of a tensor beside its datatype: ``Annotated[NDArray[np.float32], Shape(16)]``.

    Args:
        dimensions: Without the batch dimension where `max_batch_size` of the entry is above 0; -1 is any length.
        name: The tensor's name, where it is not that of the argument or field.
        datatype: Its datatype, where numpy has no type for it (``BF16``).
        description: For people.
    """

    def __init__(self, *dimensions: int, name: str = "", datatype: Datatype | None = None, description: str = "") -> None:
        if any(size < -1 for size in dimensions):
            raise ConfigurationError(f"The shape {list(dimensions)} has a dimension below -1, which is any length.")
        if datatype is not None and datatype not in DATATYPES:
            raise ConfigurationError(f"There is no datatype {datatype!r}; there are {', '.join(DATATYPES)}.")
        self.dimensions = list(dimensions)
        self.name = name
        self.datatype = datatype
        self.description = description


@dataclass(frozen=True, kw_only=True)
class Described:
    """A tensor as one annotation describes it; None is what it does not say.

    Attributes:
        argument: The argument's or field's name in the code.
        text: Whether the code takes or gives text in place of an array: one string, or a list of them.
    """

    argument: str
    tensor: str
    datatype: Datatype | None = None
    shape: list[int] | None = None
    optional: bool = False
    text: Text | None = None
    description: str = ""


def describe(annotation: object, argument: str) -> Described:
    """The tensor that an annotation means: an array, ``str`` or ``list[str]``, perhaps with a :class:`Shape`, perhaps or None.

    Raises:
        ConfigurationError: it means no tensor.
    """
    annotation, optional = _without_none(annotation)
    shape: Shape | None = None
    if get_origin(annotation) is Annotated:
        annotation, *details = get_args(annotation)
        shape = next((detail for detail in reversed(details) if isinstance(detail, Shape)), None)
        annotation, inner = _without_none(annotation)
        optional = optional or inner
    text = _text(annotation)
    datatype: Datatype | None = "BYTES" if text else _datatype(annotation, argument)
    return Described(
        argument=argument,
        tensor=(shape.name if shape else "") or argument,
        datatype=(shape.datatype if shape else None) or datatype,
        shape=shape.dimensions if shape else None,
        optional=optional,
        text=text,
        description=shape.description if shape else "",
    )


def describe_answer(annotation: object) -> list[Described]:
    """The outputs that a return annotation names: the fields of a NamedTuple, dataclass or TypedDict; none of a mapping, or where
    there is no annotation; else one, ``output``."""
    if annotation in (None, Any) or get_origin(annotation) in (dict, Mapping) or annotation in (dict, Mapping):
        return []
    if is_dataclass(annotation) and isinstance(annotation, type):
        hints = typing.get_type_hints(annotation, include_extras=True)
        return [describe(hints[each.name], each.name) for each in fields(annotation)]
    if isinstance(annotation, type) and (hasattr(annotation, "_fields") or typing.is_typeddict(annotation)):
        return [describe(hint, name) for name, hint in typing.get_type_hints(annotation, include_extras=True).items()]
    return [describe(annotation, "output")]


def _without_none(annotation: object) -> tuple[object, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [each for each in get_args(annotation) if each is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def _text(annotation: object) -> Text | None:
    if annotation is str:
        return "one"
    return "list" if annotation == list[str] else None


def _datatype(annotation: object, argument: str) -> Datatype | None:
    """The datatype of ``NDArray[...]``; None for an array of any kind."""
    if annotation in (Any, np.ndarray) or isinstance(annotation, typing.TypeVar):
        return None
    if get_origin(annotation) is np.ndarray:
        scalar = (get_args(get_args(annotation)[1]) or (None,))[0]
        if not isinstance(scalar, type) or scalar in (np.generic, np.number):
            return None
        try:
            return datatype_of(np.empty(0, dtype=scalar))
        except InvalidRequest as error:
            raise ConfigurationError(f"{argument!r} of infer: {error.message}") from None
    raise ConfigurationError(
        f"{argument!r} of infer is annotated with {annotation!r}, which is no tensor. Write for example NDArray[np.float32], "
        "Annotated[NDArray[np.float32], Shape(-1, 3)], str or list[str]."
    )
