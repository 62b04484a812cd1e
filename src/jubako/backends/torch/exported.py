"""Exported programs: what ``torch.export.export`` made and ``torch.export.save`` wrote."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind, TensorArgument
from torch.export.passes import move_to_device_pass
from torch.utils import _pytree as pytree

from jubako.backends.base import ModelSpec
from jubako.backends.tensor.completion import FileSignature, complete
from jubako.backends.torch.arguments import position
from jubako.backends.torch.params import TorchParams
from jubako.backends.torch.program import PLATFORM, Program, Tensors
from jubako.backends.torch.values import DATATYPES
from jubako.errors import ConfigurationError
from jubako.tensors import TensorSpec


@dataclass(frozen=True)
class _Constant:
    """An argument that was fixed when the program was exported."""

    value: object


def load_exported(file: Path, spec: ModelSpec, params: TorchParams, device: torch.device) -> Program:
    """
    Raises:
        ConfigurationError: the file can't be loaded, or the entry contradicts it.
    """
    if params.factory or params.dtype:
        option = "factory" if params.factory else "dtype"
        raise ConfigurationError(f"{file} is an exported program, which is fixed: remove `{option}` from `engine`.")
    program = _load(file)
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    leaves = _leaves(program, spec)
    signature = complete(spec, _file_signature(program, leaves, spec))
    names = [tensor.name for tensor in _outputs(program, spec)]
    module = program.module()
    if params.compile:
        module = torch.compile(module)
    in_spec = program.call_spec.in_spec

    def call(tensors: Tensors) -> object:
        filled = [leaf.value if isinstance(leaf, _Constant) else tensors[leaf.name] for leaf in leaves]
        args, kwargs = pytree.tree_unflatten(filled, in_spec)
        return dict(zip(names, pytree.tree_leaves(module(*args, **kwargs)), strict=False))

    return Program(signature=signature, call=call, writes_inputs=bool(program.graph_signature.user_inputs_to_mutate))


def _load(file: Path) -> torch.export.ExportedProgram:
    try:
        return torch.export.load(file)
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"PyTorch {torch.__version__} can't load {file}: {error}") from None


def _file_signature(
    program: torch.export.ExportedProgram, leaves: Sequence[TensorSpec | _Constant], spec: ModelSpec
) -> FileSignature:
    return FileSignature(
        inputs=[leaf for leaf in leaves if isinstance(leaf, TensorSpec)],
        outputs=_outputs(program, spec),
        platform=PLATFORM,
        largest_batch=_largest_batch(program),
    )


def _leaves(program: torch.export.ExportedProgram, spec: ModelSpec) -> list[TensorSpec | _Constant]:
    """The arguments in their order; those inside lists and dictionaries one by one."""
    arguments = [each.arg for each in program.graph_signature.input_specs if each.kind is InputKind.USER_INPUT]
    tensors = [argument.name for argument in arguments if isinstance(argument, TensorArgument)]
    shown = dict(zip(tensors, _names(tensors, spec.inputs), strict=True))
    leaves: list[TensorSpec | _Constant] = []
    for argument in arguments:
        match argument:
            case TensorArgument(name=name):
                leaves.append(_tensor(program, name, shown[name]))
            case ConstantArgument(value=value):
                leaves.append(_Constant(value))
            case _:
                raise ConfigurationError(
                    f"The program's argument {argument.name!r} is no tensor; export it with that value fixed."
                )
    return leaves


def _outputs(program: torch.export.ExportedProgram, spec: ModelSpec) -> list[TensorSpec]:
    """Called as the keys of the dictionary that the program gives, or else ``OUTPUT__0`` and so on."""
    nodes = [each.arg.name for each in program.graph_signature.output_specs if each.kind is OutputKind.USER_OUTPUT]
    out_spec = program.call_spec.out_spec
    usual = [f"OUTPUT__{index}" for index in range(len(nodes))]
    keys = list(out_spec.context) if out_spec.type is dict and len(out_spec.context) == len(nodes) else usual
    return [_tensor(program, node, name) for node, name in zip(nodes, _names(keys, spec.outputs), strict=True)]


def _names(own: Sequence[str], entry: Sequence[TensorSpec]) -> list[str]:
    """`own` names, or where the entry's all say positions, such as ``INPUT__0``, those."""
    said = {position(tensor.name): tensor.name for tensor in entry}
    return list(own) if None in said else [said.get(index, name) for index, name in enumerate(own)]


def _tensor(program: torch.export.ExportedProgram, node: str, name: str) -> TensorSpec:
    value = next(each for each in program.graph.nodes if each.name == node).meta["val"]
    if not isinstance(value, torch.Tensor) or value.dtype not in DATATYPES:
        raise ConfigurationError(
            f"The program's {name!r} is a {getattr(value, 'dtype', type(value).__name__)}, which can't be served."
        )
    shape = [size if isinstance(size, int) else -1 for size in value.shape]
    return TensorSpec(name=name, datatype=DATATYPES[value.dtype], shape=shape)


def _largest_batch(program: torch.export.ExportedProgram) -> int | None:
    """Most rows that the program was exported for, if its first dimensions are all the same one and have a bound."""
    names = [each.arg.name for each in program.graph_signature.input_specs if each.kind is InputKind.USER_INPUT]
    values = [node.meta.get("val") for node in program.graph.nodes if node.name in names]
    bounds = []
    for value in values:
        if isinstance(value, torch.Tensor) and value.shape and isinstance(value.shape[0], torch.SymInt):
            allowed = program.range_constraints.get(value.shape[0].node.expr)
            if allowed is not None and allowed.upper.is_Integer:
                bounds.append(int(allowed.upper))
    return min(bounds, default=None)
