"""What clients of the Open Inference Protocol send, as typed requests: the protocol itself and Triton's extensions of it.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md,
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from jubako.messages import Parameter
from jubako.tensors import Datatype

Size = Annotated[int, Meta(ge=0, le=2**62)]


# --- inputs -----------------------------------------------------------------------------------------------------------------


class InputParameters(Struct, frozen=True):
    """Where the contents of an input are, if not in its `data`: among the bytes that follow the JSON, or in shared memory."""

    binary_data_size: Size | None = None
    shared_memory_region: str | None = None
    shared_memory_byte_size: Size | None = None
    shared_memory_offset: Size = 0


class Input(Struct, frozen=True, kw_only=True, tag_field="datatype", forbid_unknown_fields=True):
    """One input. Its datatype says what its `data` may be: flat, or nested as its shape says."""

    name: str
    shape: Annotated[list[int], Meta(max_length=32)]
    parameters: InputParameters | None = None

    datatype: ClassVar[Datatype]


class Truths(Input, frozen=True):
    data: list[bool | Literal[0, 1] | list[Any]] | None = None


class WholeNumbers(Input, frozen=True):
    data: list[int | list[Any]] | None = None


class Numbers(Input, frozen=True):
    data: list[float | list[Any]] | None = None


class Texts(Input, frozen=True):
    data: list[str | list[Any]] | None = None


class BoolInput(Truths, frozen=True, tag="BOOL"):
    datatype = "BOOL"


class Uint8Input(WholeNumbers, frozen=True, tag="UINT8"):
    datatype = "UINT8"


class Uint16Input(WholeNumbers, frozen=True, tag="UINT16"):
    datatype = "UINT16"


class Uint32Input(WholeNumbers, frozen=True, tag="UINT32"):
    datatype = "UINT32"


class Uint64Input(WholeNumbers, frozen=True, tag="UINT64"):
    datatype = "UINT64"


class Int8Input(WholeNumbers, frozen=True, tag="INT8"):
    datatype = "INT8"


class Int16Input(WholeNumbers, frozen=True, tag="INT16"):
    datatype = "INT16"


class Int32Input(WholeNumbers, frozen=True, tag="INT32"):
    datatype = "INT32"


class Int64Input(WholeNumbers, frozen=True, tag="INT64"):
    datatype = "INT64"


class Fp16Input(Numbers, frozen=True, tag="FP16"):
    datatype = "FP16"


class Bf16Input(Numbers, frozen=True, tag="BF16"):
    datatype = "BF16"


class Fp32Input(Numbers, frozen=True, tag="FP32"):
    datatype = "FP32"


class Fp64Input(Numbers, frozen=True, tag="FP64"):
    datatype = "FP64"


class BytesInput(Texts, frozen=True, tag="BYTES"):
    datatype = "BYTES"


AnyInput: TypeAlias = (
    BoolInput
    | Uint8Input
    | Uint16Input
    | Uint32Input
    | Uint64Input
    | Int8Input
    | Int16Input
    | Int32Input
    | Int64Input
    | Fp16Input
    | Bf16Input
    | Fp32Input
    | Fp64Input
    | BytesInput
)

INPUTS: Final[dict[str, type[AnyInput]]] = {kind.datatype: kind for kind in get_args(AnyInput)}
"""The kind of input of each datatype."""


# --- inference --------------------------------------------------------------------------------------------------------------


class OutputParameters(Struct, frozen=True):
    """How an output is wanted.

    Attributes:
        binary_data: As bytes that follow the JSON; absent is as `binary_data_output` of the request says.
        classification: Only so many classes, those of the highest values; 0 is the tensor itself.
    """

    binary_data: bool | None = None
    classification: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    shared_memory_region: str | None = None
    shared_memory_byte_size: Size | None = None
    shared_memory_offset: Size = 0


class WantedOutput(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    parameters: OutputParameters | None = None


class InferBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v2/models/{model}/infer, or its beginning where tensors follow as bytes.

    Attributes:
        id: Given back in the answer.
        outputs: Those wanted; absent or empty for all.
        parameters: `priority`, `timeout` (microseconds in the queue) and `binary_data_output`; the model gets all others.
        model_name: Not used: the path says it. KServe's own client repeats it here; so `model_version`.
    """

    inputs: list[AnyInput]
    id: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    outputs: list[WantedOutput] | None = None
    parameters: dict[str, Parameter] | None = None


# --- the repository ---------------------------------------------------------------------------------------------------------


class IndexBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v2/repository/index. With `ready`, only the versions that can be asked."""

    ready: bool | None = None


class LoadBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v2/repository/models/{model}/load and unload."""

    parameters: dict[str, Parameter] | None = None


class AliasBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v2/repository/models/{model}/aliases/{alias}: the version that the alias is to mean."""

    version: Annotated[int, Meta(ge=1, lt=2**31)]


# --- shared memory ----------------------------------------------------------------------------------------------------------


class RegisterBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v2/systemsharedmemory/region/{region}/register: `byte_size` bytes of the system's `key`, from `offset`."""

    key: Annotated[str, Meta(min_length=1, max_length=255)]
    byte_size: Annotated[int, Meta(ge=1, le=2**62)]
    offset: Size = 0
