"""No file, however strange, makes reading an entry raise."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jubako.backends.declarations import BACKENDS
from jubako.repository.config import Limits, ModelConfig
from jubako.repository.document import Document
from jubako.repository.repository import Repository, read_repository

FIELDS = sorted([*ModelConfig.__dataclass_fields__, *Limits.__dataclass_fields__, "slots", "temperature", "stop"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["echo", "chat"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | SCALARS, inner, max_size=4)
)


def read(content: bytes) -> Repository:
    with tempfile.TemporaryDirectory() as folder:
        entry = Path(folder) / "m"
        (entry / "1").mkdir(parents=True)
        (entry / "model.yaml").write_bytes(content)
        (entry / "1" / "version.yaml").write_bytes(content)
        return read_repository(Path(folder), BACKENDS)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
def test_any_values(fields: dict[str, object]) -> None:
    content = yaml.safe_dump({"backend": "echo", **fields}, allow_unicode=True).encode(errors="surrogatepass")
    repository = read(content)
    assert set(repository.models) ^ set(repository.broken) == {"m"}
    lines = content.count(b"\n") + 1
    assert all(1 <= problem.line <= lines for problem in repository.problems)


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
@example(b"\xff")
@example(b"\x00")
@example(b"a: &a [*a]")
@example(b"a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\n<<: &d {x: *c}")
@example(b"? [a, b]\n: c")
@example(b"<<: 3")
@example(b'a: "\\ud800"')
@example(b'a: "\\U99999999"')
@example(b"!!int a: b")
@example(b"a: !!int b")
@example(b"--- a\n--- b")
@example(b"%YAML 9.9\n---\na")
@example(b"a: 2001-99-99\nb: 12:30:99\nc: 0o9\nd: 1e999")
def test_any_bytes(content: bytes) -> None:
    repository = read(content)
    assert set(repository.models) ^ set(repository.broken) == {"m"}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "a: " + "9" * 10_000,
        "x0: &x0 [1, 1]\n" + "".join(f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}]\n" for i in range(1, 40)),
        "a: b\n" * 300_000,
    ],
    ids=["deep", "digits", "laughs", "long"],
)
def test_hostile_files_are_refused_soon(text: str) -> None:
    assert read(text.encode()).broken["m"]


def test_plain_values_are_those_of_yaml_1_2() -> None:
    text = "a: on\nb: 12:30\nc: 1e-3\nd: 0o17\ne: 2024-01-01\nf: 007\ng: true\nh: ~\ni: 0x1F\nj: -.5\nk: 'true'\nl:\n"
    document = Document.parse(text, Path("x.yaml"))
    assert document.problems == ()
    assert list(document.fields.values()) == ["on", "12:30", 0.001, 15, "2024-01-01", 7, True, None, 31, -0.5, "true", None]
