"""Sources as text and as types."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.errors import ConfigurationError
from jubako.oci.reference import Reference
from jubako.repository.source import (
    BentoModelSource,
    FileSource,
    HubName,
    HubSource,
    LocalSource,
    PackageSource,
    RegistrySource,
    Source,
    UrlSource,
    parse_source,
)
from jubako.web import without_secrets

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("model.gguf", LocalSource("model.gguf")),
        ("onnx/model.onnx", LocalSource("onnx/model.onnx")),
        ("folder/", LocalSource("folder")),
        (".", LocalSource(".")),
        ("file:/data/m.gguf", FileSource("/data/m.gguf")),
        ("file:///data/m.gguf", FileSource("/data/m.gguf")),
        ("bentoml://smollm2:1-3f9a/weights/m.gguf", BentoModelSource("smollm2", "1-3f9a", "weights/m.gguf")),
        ("hf://org/name@main", HubSource("hf", "org/name", "main")),
        ("hf://gpt2@main/model.safetensors", HubSource("hf", "gpt2", "main", "model.safetensors")),
        ("hf://org/name@refs%2Fpr%2F1/a/b@c.gguf", HubSource("hf", "org/name", "refs/pr/1", "a/b@c.gguf")),
        ("modelscope://org/name@v1.0/x y.bin", HubSource("modelscope", "org/name", "v1.0", "x y.bin")),
        ("pypi://a.b-c==1.0+cpu/x/y.gguf", PackageSource("a.b-c", "1.0+cpu", "x/y.gguf")),
        ("oci://host:5000/a/b:1", RegistrySource(Reference("host:5000", "a/b", "1"))),
        (f"oci://host/a@{DIGEST}/x:y/z.gguf", RegistrySource(Reference("host", "a", None, DIGEST), "x:y/z.gguf")),
        (f"oci://host/a:t@{DIGEST}/.", RegistrySource(Reference("host", "a", "t", DIGEST), ".")),
        ("oci+http://[::1]:5000/a:t/b", RegistrySource(Reference("[::1]:5000", "a", "t", plain_http=True), "b")),
        ("https://host:8/a/b.gguf?x=1", UrlSource("https://host:8/a/b.gguf?x=1")),
        ("http://127.0.0.1:8/b", UrlSource("http://127.0.0.1:8/b")),
        ("http://[::1]:8/b", UrlSource("http://[::1]:8/b")),
        ("http://localhost/b", UrlSource("http://localhost/b")),
    ],
)
def test_forms(text: str, source: Source) -> None:
    assert parse_source(text) == source
    assert parse_source(str(source)) == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" a", "spaces around it"),
        ("../a", "inside the version folder"),
        ("/abs/path", "inside the version folder"),
        ("a\\b", "inside the version folder"),
        ("file:relative", "must name an absolute path"),
        ("file://host/x", "must name an absolute path"),
        ("hf://org/name", "names no revision. Say which, best a commit: hf://org/name@main"),
        ("hf://org/name/file.gguf", "names no revision"),
        ("hf:org/name@main", "lacks the //"),
        ("hf://org/name@main/../x", "inside the model"),
        ("hf://@main", "not of the form hf://org/name@revision"),
        ("pypi://package/path", "not of the form pypi://package==version/path"),
        ("pypi://package==1.0", "not of the form"),
        ("pypi://package==1.0/../x", "inside the wheel"),
        ("bentoml://model/weights", "not of the form bentoml://name:version/path"),
        ("bentoml://model:1/../x", "inside the model"),
        ("oci://host/a/b", "names no tag or digest. Say which, best a digest: oci://host/a/b@sha256:..."),
        ("oci://host:5000/a", "names no tag or digest"),
        ("oci://host", "not of the form oci://registry/repository:tag"),
        ("oci:host/a:1", "lacks the //"),
        ("oci://host/A:1", "has capital letters"),
        ("oci://host/a@sha256:12", "has a digest that is none"),
        ("oci://host/a:1/../b", "inside the artifact"),
        ("oci://user:secret@host", "not of the form"),
        ("oci://user:secret@host/a", "has no user or password in it"),
        ("oci://user:secret@host/a:1", "has no user or password in it"),
        ("http://example.org/x", "http:// is for this machine only"),
        ("https://", "is not a URL"),
        ("https://[::1/x", "is not a URL"),
        ("https://host:port/x", "is not a URL"),
        ("https://host/", "names no file"),
        ("https://host/%00", "names no file"),
        ("s3://bucket/x", "begins with s3:, which is not known"),
    ],
)
def test_what_is_no_source(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_source(text)
    assert message in raised.value.message


def test_errors_and_logs_show_no_secret() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_source("http://user:secret@example.org/x?token=secret")
    assert "secret" not in raised.value.message
    assert without_secrets("https://user:secret@host:8/x?token=secret#f") == "https://host:8/x"


NAME = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
PART = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\:"), min_size=1).filter(
    lambda part: part not in {".", ".."}
)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)
SOURCES: st.SearchStrategy[Source] = st.one_of(
    st.builds(LocalSource, PATH),
    st.builds(FileSource, PATH.map(lambda path: f"/{path}")),
    st.builds(HubSource, st.sampled_from(list[HubName](["hf", "modelscope"])), NAME, PART, st.none() | PATH),
    st.builds(PackageSource, st.from_regex(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)?", fullmatch=True).filter(str.isascii), NAME, PATH),
)


@given(SOURCES)
def test_a_source_survives_being_written_and_read(source: Source) -> None:
    assert parse_source(str(source)) == source


@given(st.text() | st.sampled_from(["hf://", "pypi://", "https://", "file:"]).flatmap(lambda s: st.text().map(lambda t: s + t)))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        parse_source(text)
