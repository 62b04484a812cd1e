"""Which interpreter an entry runs under."""

from __future__ import annotations

import re
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from jubako.environments import Environments, Tenant, interpreter, located
from jubako.environments.record import Record
from jubako.errors import ConfigurationError
from jubako.repository.config import EnvironmentConfig

Made = Callable[..., Path]

RECORD = Record(
    name="",
    backend="python",
    variant="any",
    python="3.11",
    packages=(),
    general=True,
    asked_at=0.0,
    versions={},
)


def tenant(environment: str | EnvironmentConfig | None = None, modules: tuple[str, ...] = (), folder: Path = Path()) -> Tenant:
    return Tenant(model="m", folder=folder, backend="python", environment=environment, modules=modules)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """``made(NAME, ...)`` makes an environment of which only the record and the interpreter are there; gives the interpreter."""
    environments = Environments(tmp_path)

    def make(name: str, **fields: object) -> Path:
        python = environments.interpreter(name)
        python.parent.mkdir(parents=True)
        # This one, as it runs here: with all that an instance needs.
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        environments.write(msgspec.structs.replace(RECORD, name=name, **fields))
        return python

    return make


def test_an_entry_that_names_none_runs_in_the_newest_for_its_backend_else_in_the_servers_own(tmp_path: Path, made: Made) -> None:
    assert interpreter(tenant(modules=("numpy",)), tmp_path) == ""
    made("onnx-cpu-1", backend="onnx", variant="cpu", asked_at=9)
    made("python-any-3", general=False, packages=("more",), asked_at=3)
    made("python-cuda-4", variant="cuda", asked_at=4)
    assert interpreter(tenant(), tmp_path) == "", "none of these is for every Python model on this machine"
    older = made("python-any-1", asked_at=1)
    assert interpreter(tenant(), tmp_path) == str(older)
    newer = made("python-any-2", asked_at=2)
    assert interpreter(tenant(), tmp_path) == str(newer)
    assert interpreter(tenant("jubako"), tmp_path) == ""


def test_a_backend_whose_modules_are_nowhere_is_told_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        interpreter(tenant(modules=("numpy", "nobody_has_this")), tmp_path)
    assert caught.value.message == (
        "The backend python needs nobody_has_this, which the server's own Python does not have. "
        "Make an environment for it with: jubako env create python"
    )


def test_a_name_is_whole_or_a_backend_or_a_variant(tmp_path: Path, made: Made) -> None:
    first, second = made("python-any-1", asked_at=1), made("python-any-2", asked_at=2)
    special = made("python-any-3", asked_at=3, general=False)
    assert interpreter(tenant("python-any-1"), tmp_path) == str(first)
    assert interpreter(tenant("python-any-3"), tmp_path) == str(special)
    assert interpreter(tenant("python"), tmp_path) == interpreter(tenant("python-any"), tmp_path) == str(second)
    with pytest.raises(ConfigurationError, match=re.escape("names 'vllm-cpu', which has not been made. There is python-any-3, ")):
        interpreter(tenant("vllm-cpu"), tmp_path)


def test_a_mapping_is_the_environment_with_its_packages(tmp_path: Path, made: Made) -> None:
    made("python-any-1")
    wanted = EnvironmentConfig(packages=["b", "a"])
    with pytest.raises(ConfigurationError) as caught:
        interpreter(tenant(wanted), tmp_path)
    assert caught.value.message == (
        "The environment that the model asks for, python with a, b, has not been made. Make it with: jubako env create m"
    )
    assert located(tenant(EnvironmentConfig()), tmp_path), "one without more packages is the backend's own"
    python = made("python-any-2", packages=("a", "b"), general=False)
    assert interpreter(tenant(wanted), tmp_path) == str(python)
    onnx = made("onnx-cpu-1", backend="onnx", variant="cpu", packages=("a", "b"))
    assert interpreter(tenant(EnvironmentConfig(base="onnx", packages=["a", "b"])), tmp_path) == str(onnx)


def test_a_path_is_a_virtual_environment_or_an_interpreter(tmp_path: Path, made: Made) -> None:
    python = made("python-any-1")
    assert interpreter(tenant(str(python)), tmp_path) == str(python)
    assert interpreter(tenant(str(python.parents[1])), tmp_path) == str(python)
    assert interpreter(tenant("./bin/python", folder=python.parents[1]), tmp_path) == str(python), "beside the entry"
    (tmp_path / "file").write_text("")
    for path, message in {
        "/nowhere/at/all": "There is no Python interpreter /nowhere/at/all.",
        str(tmp_path / "file"): "can't be executed",
        str(tmp_path): f"There is no Python interpreter {tmp_path}/bin/python.",
    }.items():
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            interpreter(tenant(path), tmp_path)


def test_an_environment_without_what_an_instance_needs_is_said_before_it_runs(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    with pytest.raises(ConfigurationError, match=r"bare, has no annotated_types, jinja2, msgspec, numpy, engine\."):
        interpreter(tenant(str(tmp_path / "bare"), modules=("engine",)), tmp_path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ('#!/bin/sh\necho \'{"version": [3, 9], "missing": []}\'\n', "is Python 3.9; a model needs at least 3.11."),
        ("#!/bin/sh\necho hello\n", "is no Python interpreter."),
        ("#!/bin/sh\necho no such library >&2\nexit 3\n", "does not run: no such library"),
        ("#!/gone/python\n", "can't be started: No such file or directory."),
    ],
)
def test_a_broken_interpreter_is_said_with_the_command_that_makes_it_again(
    tmp_path: Path, made: Made, program: str, message: str
) -> None:
    made("python-any-1").write_text(program)
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        interpreter(tenant(), tmp_path)
    if "3.9" not in message:
        assert caught.value.message.endswith("Make it again with: jubako env create python")


def test_a_link_to_a_python_that_is_gone_is_said(tmp_path: Path, made: Made) -> None:
    python = made("python-any-1")
    python.unlink()
    python.symlink_to("/gone/python")
    with pytest.raises(ConfigurationError, match=r"It is a link to a Python that is gone\. Make it again with"):
        interpreter(tenant(), tmp_path)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"name": "python-any-1"}'])
def test_an_environment_whose_record_is_damaged_is_not_taken(tmp_path: Path, made: Made, damage: bytes) -> None:
    record = made("python-any-1").parents[1] / "environment.json"
    assert Environments(tmp_path).every()
    record.write_bytes(damage)
    assert Environments(tmp_path).every() == []
    assert interpreter(tenant(), tmp_path) == ""
