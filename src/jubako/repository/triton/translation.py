"""An entry of a Triton repository, said in the words of model.yaml.

What Triton does where the file says nothing is written out: without ``dynamic_batching`` requests are not batched together,
queues are without bounds, and requests' own timeouts are ignored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from jubako.protos import inference
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.document import Document, Value
from jubako.repository.problem import FieldPath, Problem
from jubako.repository.triton.engine import EngineValue, engine_values, idle_parameters
from jubako.repository.triton.fields import BACKENDS, FIELDS, MODEL_FILES, PLATFORMS
from jubako.repository.triton.pbtxt import ConfigFile
from jubako.repository.triton.recognition import convert, recognise

CONFIG_FILE = "config.pbtxt"
UNBOUNDED_QUEUE = 100_000
"""Requests that wait where Triton has no bound."""

Fields = dict[str, Value]


@dataclass(frozen=True)
class Translation:
    """`document` is what a model.yaml would say; its lines and its names of fields are those of the file it was made from."""

    document: Document
    config: inference.ModelConfig
    warnings: tuple[Problem, ...] = ()


def translate(folder: Path, declarations: Mapping[str, BackendDeclaration]) -> Translation | None:
    """The entry in `folder`; None if nothing there looks like a model of Triton's."""
    file = folder / CONFIG_FILE
    if file.is_file():
        return _Translator(folder, ConfigFile.read(file), declarations).translation()
    recognised = recognise(folder)
    if not recognised.backend and not recognised.why:
        return None
    return _Translator(folder, ConfigFile(folder), declarations).translation()


class _Translator:
    def __init__(self, folder: Path, said: ConfigFile, declarations: Mapping[str, BackendDeclaration]) -> None:
        self.folder = folder
        self.said = said
        self.config = said.config
        self.declarations = declarations
        self.fields: Fields = {}
        self.lines: dict[FieldPath, int] = {}
        self.names: dict[FieldPath, str] = {}
        self.problems: list[Problem] = list(said.problems)
        self.warnings: list[Problem] = []

    def translation(self) -> Translation:
        if not self.problems:
            self._treat(self.config, "", ())
            self._name()
            backend = self._backend()
            self.fields["backend"] = backend
            if backend:
                self._source(backend)
                self._engine(backend)
            self._versions()
            self._tensors()
            self._batching()
            self._instances()
            self._warmup()
            self._rest()
        document = Document(self.said.file, self.fields, self.lines, tuple(self.problems), self.names)
        return Translation(document, self.config, tuple(self.warnings))

    # --- every field

    def _treat(self, message: Message, within: str, path: FieldPath) -> None:
        """Refuse or warn of what is set and has no meaning here, and so with all that the message holds."""
        for descriptor, value in message.ListFields():
            name = f"{within}{descriptor.name}"
            treatment = FIELDS[name]
            if treatment.kind == "honoured":
                for where, inner in _messages(value):
                    self._treat(inner, f"{name}.", (*path, descriptor.name, where))
            elif name not in ("input.reshape", "output.reshape") or list(value.shape) != list(getattr(message, "dims", [])):
                self._note(treatment.kind, (*path, descriptor.name, 0), treatment.what)

    def _note(self, kind: str, path: FieldPath, why: str) -> None:
        if kind == "refused":
            self._refuse(path, f"is not supported: {why}")
        else:
            self.warnings.append(Problem(self.said.file, self.said.line(path), f"`{_shown(path)}` has no effect: {why}."))

    def _refuse(self, path: FieldPath, what: str) -> None:
        self.problems.append(Problem(self.said.file, self.said.line(path), f"`{_shown(path)}` {what}."))

    def _note_line(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.said.file, line, message))

    def _from(self, path: FieldPath, *origin: str | int) -> None:
        """Remember that the value at `path` of model.yaml comes from `origin` of the file."""
        self.lines[path] = self.said.line(origin)
        self.names[path] = _shown(origin)

    # --- what is run

    def _name(self) -> None:
        if self.config.name and self.config.name != self.folder.name:
            self._refuse(("name", 0), f"is {self.config.name!r}, but the folder is {self.folder.name!r}: they must be the same")

    def _backend(self) -> str:
        said, platform = self.config.backend, self.config.platform
        if said or platform:
            origin, name, known = ("backend", said, BACKENDS) if said else ("platform", platform, PLATFORMS)
            self._from(("backend",), origin, 0)
            if name not in known:
                self._refuse((origin, 0), f"is {name!r}, which does not run here. {convert().rstrip('.')}")
            backend = known.get(name, "")
            return self._ensemble() if backend == "ensemble" else backend
        if self.config.HasField("ensemble_scheduling"):
            return self._ensemble()
        recognised = recognise(self.folder, self.config.default_model_filename)
        if not recognised.backend:
            why = recognised.why or f"It says no `backend`, and no version of {self.folder.name} has a file that tells it."
            self._note_line(1, why)
        return recognised.backend

    def _ensemble(self) -> str:
        if self.config.ensemble_scheduling.step:
            return "ensemble"
        self._refuse(("ensemble_scheduling", 0), "must have the steps of the ensemble; there is none")
        return ""

    def _source(self, backend: str) -> None:
        said, usual = self.config.default_model_filename, MODEL_FILES.get(backend)
        self._from(("source",), "default_model_filename", 0)
        if backend != "triton_python" and usual:
            self.fields["source"] = said or usual
        elif usual:
            self.fields["source"] = "."
            if said and said != usual:
                self._set_engine(backend, EngineValue("file", said, ("default_model_filename", 0)))

    def _engine(self, backend: str) -> None:
        if self.config.HasField("ensemble_scheduling") and backend != "ensemble":
            self._refuse(("ensemble_scheduling", 0), 'is for entries with `platform: "ensemble"`')
        for index in range(len(self.config.ensemble_scheduling.step)):
            self._from(("engine", "steps", index), "ensemble_scheduling", 0, "step", index)
        for value in engine_values(backend, self.config):
            self._set_engine(backend, value)
        for name in idle_parameters(backend, self.config):
            self._note("warned", ("parameters", name), f"the backend {backend!r} has no such parameter")

    def _set_engine(self, backend: str, value: EngineValue) -> None:
        """Set a parameter of the engine, or say that the backend has none that means the same."""
        declaration = self.declarations.get(backend)
        if declaration and value.name not in {field.name for field in dataclasses.fields(declaration.params)}:
            self._note("warned", value.origin, f"the backend {backend!r} has no parameter for it")
            return
        self._from(("engine", value.name), *value.origin)
        engine = self.fields.setdefault("engine", {})
        assert isinstance(engine, dict)
        engine[value.name] = value.value

    def _versions(self) -> None:
        policy = self.config.version_policy
        choice = policy.WhichOneof("policy_choice")
        if choice == "all":
            self.fields["versions"] = {"all": True}
        elif choice == "specific":
            self.fields["versions"] = {"specific": list(policy.specific.versions)}
        elif choice == "latest":
            self.fields["versions"] = {"latest": policy.latest.num_versions or 1}
        self._from(("versions",), "version_policy", 0)
        self._from(("versions", "specific"), "version_policy", 0, "specific", 0, "versions", 0)
        for index in range(len(policy.specific.versions)):
            self._from(("versions", "specific", index), "version_policy", 0, "specific", 0, "versions", index)

    # --- what it takes and gives

    def _tensors(self) -> None:
        explicit = ("max_batch_size", 0) in self.said.lines
        if explicit or self.config.input or self.config.output:
            self.fields["max_batch_size"] = self.config.max_batch_size
        self._from(("max_batch_size",), "max_batch_size", 0)
        self.fields["inputs"] = [self._input(index, tensor) for index, tensor in enumerate(self.config.input)]
        self.fields["outputs"] = [self._output(index, tensor) for index, tensor in enumerate(self.config.output)]

    def _input(self, index: int, tensor: inference.ModelInput) -> Fields:
        self._from(("inputs", index, "ragged"), "input", index, "allow_ragged_batch", 0)
        return self._tensor("inputs", "input", index, tensor) | {"optional": tensor.optional, "ragged": tensor.allow_ragged_batch}

    def _output(self, index: int, tensor: inference.ModelOutput) -> Fields:
        self._from(("outputs", index, "labels"), "output", index, "label_filename", 0)
        labels: Fields = {"labels": tensor.label_filename} if tensor.label_filename else {}
        return self._tensor("outputs", "output", index, tensor) | labels

    def _tensor(self, ours: str, theirs: str, index: int, tensor: inference.ModelInput | inference.ModelOutput) -> Fields:
        self._from((ours, index), theirs, index)
        for field, origin in (("name", "name"), ("datatype", "data_type"), ("shape", "dims")):
            self._from((ours, index, field), theirs, index, origin, 0)
        for place in range(len(tensor.dims)):
            self._from((ours, index, "shape", place), theirs, index, "dims", place)
        for field, is_said in (("name", tensor.name), ("data_type", tensor.data_type), ("dims", tensor.dims)):
            if not is_said:
                self._note_line(self.said.line((theirs, index)), f"`{theirs}[{index}]` lacks `{field}`; it is required.")
        return {"name": tensor.name or "?", "datatype": _datatype(tensor.data_type), "shape": list(tensor.dims)}

    # --- how requests wait

    def _batching(self) -> None:
        self.fields["limits"] = {"max_queue_size": UNBOUNDED_QUEUE}
        said = self.config.dynamic_batching
        base = ("dynamic_batching", 0)
        # A file that says nothing of its model's tensors is completed from the model, batching included.
        is_complete = ("max_batch_size", 0) in self.said.lines or bool(self.config.input or self.config.output)
        self._from(("batching",), *base)
        for ours, theirs in (
            ("preferred_sizes", "preferred_batch_size"),
            ("max_delay_ms", "max_queue_delay_microseconds"),
            ("preserve_order", "preserve_ordering"),
            ("priority_levels", "priority_levels"),
            ("default_priority", "default_priority_level"),
            ("queue", "default_queue_policy"),
        ):
            self._from(("batching", ours), *base, theirs, 0)
        for index in range(len(said.preferred_batch_size)):
            self._from(("batching", "preferred_sizes", index), *base, "preferred_batch_size", index)
        for level in said.priority_queue_policy:
            self._from(("batching", "queues", str(level)), *base, "priority_queue_policy", str(level))
        if said.priority_levels and not said.default_priority_level:
            self._refuse((*base, "default_priority_level", 0), "is missing; where there are priority levels, it is required")
        self.fields["batching"] = {
            "enabled": self.config.HasField("dynamic_batching") or not is_complete,
            "max_delay_ms": said.max_queue_delay_microseconds / 1000,
            "preferred_sizes": list[Value](said.preferred_batch_size),
            "preserve_order": said.preserve_ordering,
            "priority_levels": said.priority_levels,
            "default_priority": said.default_priority_level,
            "queue": _queue(said.default_queue_policy),
            "queues": {str(level): _queue(policy) for level, policy in said.priority_queue_policy.items()},
        }

    # --- the rest

    def _instances(self) -> None:
        active = [group for group in self.config.instance_group if not group.passive]
        self._from(("instances",), "instance_group", 0)
        if active:
            self.fields["instances"] = sum((group.count or 1) * max(1, len(group.gpus)) for group in active)

    def _warmup(self) -> None:
        self.fields["warmup"] = [self._warmup_request(index, warmup) for index, warmup in enumerate(self.config.model_warmup)]

    def _warmup_request(self, index: int, said: inference.ModelWarmup) -> Fields:
        base = ("model_warmup", index)
        datatypes = {tensor.name: tensor.data_type for tensor in self.config.input}
        self._from(("warmup", index), *base)
        self._from(("warmup", index, "batch_size"), *base, "batch_size", 0)
        self._from(("warmup", index, "count"), *base, "count", 0)
        for name, tensor in said.inputs.items():
            origin = (*base, "inputs", name)
            self._from(("warmup", index, "shapes", name), *origin, "value", 0, "dims", 0)
            self._from(("warmup", index, "data", name), *origin)
            if datatypes.get(name, tensor.data_type) != tensor.data_type:
                self._refuse((*origin, "value", 0, "data_type", 0), f"is {_datatype(tensor.data_type)}, which the input is not")
        return {
            "name": said.name,
            "batch_size": said.batch_size or 1,
            "count": said.count or 1,
            "shapes": {name: list(tensor.dims) for name, tensor in said.inputs.items()},
            "data": {name: _contents(tensor) for name, tensor in said.inputs.items()},
        }

    def _rest(self) -> None:
        self.fields["decoupled"] = self.config.model_transaction_policy.decoupled
        self.fields["parameters"] = {name: said.string_value for name, said in sorted(self.config.parameters.items())}
        self._from(("parameters",), "parameters", 0)


def _messages(value: object) -> Iterable[tuple[int | str, Message]]:
    """The messages that a field's value holds, with the index or key of each."""
    if isinstance(value, Message):
        return [(0, value)]
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items() if isinstance(item, Message)]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [(index, item) for index, item in enumerate(value) if isinstance(item, Message)]
    return []


def _shown(path: FieldPath) -> str:
    """A path of the file as people write it, such as ``input[1].dims``; the index of a first or only one is left out."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]" if part else ""
        elif part != "value":
            text += f".{part}" if text else part
    return text


def _datatype(number: int) -> str:
    name: str = inference.DataType.Name(number).removeprefix("TYPE_") if number in inference.DataType.values() else "INVALID"
    return {"STRING": "BYTES", "INVALID": "FP32"}.get(name, name)


def _queue(policy: inference.ModelQueuePolicy) -> Fields:
    return {
        "timeout_action": "delay" if policy.timeout_action == inference.ModelQueuePolicy.DELAY else "reject",
        "timeout_ms": policy.default_timeout_microseconds / 1000 or None,
        "allow_timeout_override": policy.allow_timeout_override,
        "max_size": policy.max_queue_size or None,
    }


def _contents(tensor: inference.ModelWarmup.Input) -> str:
    if tensor.WhichOneof("input_data_type") == "input_data_file":
        return tensor.input_data_file
    return "random" if tensor.random_data else "zeros"
