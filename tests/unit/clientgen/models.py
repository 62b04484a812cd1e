"""Models with everything that is hard on a generator."""

from __future__ import annotations

from jubako.messages import Task
from jubako.routing.interface import ModelInterface, interface_digest
from jubako.tensors import Content, Datatype, Signature, TensorSpec


def tensor(
    name: str,
    datatype: Datatype = "FP32",
    shape: tuple[int, ...] = (1,),
    *,
    optional: bool = False,
    ragged: bool = False,
    labels: tuple[str, ...] = (),
    content: Content | None = None,
    description: str = "",
) -> TensorSpec:
    return TensorSpec(
        name=name,
        datatype=datatype,
        shape=list(shape),
        optional=optional,
        ragged=ragged,
        labels=list(labels),
        content=content,
        description=description,
    )


def text_model(
    name: str,
    *tasks: Task,
    description: str = "",
    served_names: tuple[str, ...] = (),
    versions: tuple[int, ...] = (1,),
    aliases: dict[str, int] | None = None,
) -> ModelInterface:
    return ModelInterface(
        name=name,
        description=description,
        served_names=list(served_names),
        versions=list(versions),
        aliases=aliases or {},
        tasks=list(tasks),
        digest=interface_digest(tasks, None),
    )


def tensor_model(
    name: str,
    inputs: list[TensorSpec],
    outputs: list[TensorSpec],
    *,
    max_batch_size: int = 0,
    decoupled: bool = False,
    versions: tuple[int, ...] = (1,),
    aliases: dict[str, int] | None = None,
) -> ModelInterface:
    signature = Signature(inputs=inputs, outputs=outputs, max_batch_size=max_batch_size, decoupled=decoupled)
    return ModelInterface(
        name=name,
        versions=list(versions),
        aliases=aliases or {},
        tasks=["infer"],
        signature=signature,
        digest=interface_digest(["infer"], signature),
    )


NASTY = [
    text_model(
        "talk",
        "chat",
        "completion",
        description='It says "hello", \\n and */ and """ at length. ' * 6,
        served_names=("talk:135m", "Org/Talk-135M"),
        versions=(1, 2),
        aliases={"stable": 1, "next": 2},
    ),
    text_model("everything", "chat", "completion", "embedding", "score", "classify"),
    *(text_model(name, "chat") for name in ("class", "models", "names", "connect", "client", "drift", "3d", "a-b", "a_b", "a.b")),
    *(
        text_model(name, "embedding")
        for name in ("foo", "async-foo", "foo-outputs", "foo-version", "iterator", "promise", "array")
    ),
    text_model("l" * 128, "score"),
    tensor_model(
        "tensors",
        [
            tensor("x:0", "FP32", (-1, 3)),
            tensor("x_0", "BF16", ()),
            tensor("class", "BYTES", (1,), optional=True),
            tensor("self", "BOOL", (2, 2)),
            tensor("timeout_s", "UINT8", (-1,), ragged=True),
            tensor("入力", "INT64", (1,), description="What goes in."),
            tensor("q\"'\n\\", "FP64", (1,)),
            tensor("_hidden", "FP16", (1,)),
            tensor("1st", "UINT64", (1,)),
            *(
                tensor(name, optional=True)
                for name in ("inputs", "str", "dict", "object", "np", "npt", "found", "answer", "Texts")
            ),
        ],
        [
            tensor("np", "FP16", (3,), labels=("a", 'b"c', "it's")),
            tensor("bytes", "BYTES", (-1,)),
            tensor("class", "INT8", (1,)),
            tensor("y" * 100, "BF16", (1,)),
        ],
        max_batch_size=4,
        versions=(3,),
        aliases={"only": 3},
    ),
    tensor_model(
        "picture",
        [
            tensor("colours", "UINT8", (-1, -1, 3), content="image"),
            tensor("Pixels", "UINT8", (4, 6, 1), optional=True, content="image"),
            tensor("with_images", "BYTES", (1,), content="image"),
            tensor("files", "BYTES", (-1,), optional=True, content="image"),
            tensor("asyncio", "FP32", (1,), optional=True),
        ],
        [tensor("o")],
    ),
    tensor_model(
        "pictures",
        [tensor("rows", "UINT8", (4, -1, 4), content="image"), tensor("files", "BYTES", (1,), content="image")],
        [tensor("o")],
        max_batch_size=4,
        decoupled=True,
    ),
    text_model("pixels", "chat"),
    text_model("any-image", "chat"),
    tensor_model("stream", [tensor("n", "INT32")], [tensor("o", "INT32", (2,), labels=("same", "same"))], decoupled=True),
    tensor_model("nothing", [], [tensor("answer", "BYTES", (-1,), labels=tuple(f"label {n}" for n in range(1100)))]),
]
