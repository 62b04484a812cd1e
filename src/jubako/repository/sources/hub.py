"""``hf://`` and ``modelscope://``: what a hub lists for a model at a revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.repository.problem import nearest
from jubako.repository.source import HubSource
from jubako.repository.sources.download import RemoteFile, get
from jubako.repository.sources.endpoints import Endpoints
from jubako.web import Patience, without_secrets

_SKIPPED = {".gitattributes", ".gitignore"}


class _HuggingFaceRevision(Struct):
    sha: str


class _LargeFile(Struct):
    oid: str
    size: int


class _HuggingFaceEntry(Struct):
    type: str
    path: str
    size: int = 0
    lfs: _LargeFile | None = None


class _ModelScopeEntry(Struct, rename="pascal"):
    type: str
    path: str
    size: int = 0
    sha256: str | None = None


class _ModelScopeFiles(Struct, rename="pascal"):
    files: list[_ModelScopeEntry]


class _ModelScopeListing(Struct, rename="pascal"):
    data: _ModelScopeFiles


@dataclass(frozen=True)
class HubFiles:
    """What a hub has.

    Attributes:
        commit: Which the revision names; "" where the hub does not say.
    """

    files: list[RemoteFile]
    commit: str = ""


def hub_files(source: HubSource, endpoints: Endpoints, client: httpx.Client, patience: Patience) -> HubFiles:
    """The files that `source` names: one, those of a folder, or all.

    Raises:
        ConfigurationError: the hub can't be reached, refuses, or has no such file.
    """
    found = (
        _hugging_face(source, endpoints, client, patience)
        if source.hub == "hf"
        else _modelscope(source, endpoints, client, patience)
    )
    return replace(found, files=_chosen(source, found.files))


def _chosen(source: HubSource, every: list[RemoteFile]) -> list[RemoteFile]:
    if source.file is None:
        return [file for file in every if file.path not in _SKIPPED]
    chosen = [file for file in every if file.path == source.file]
    chosen = chosen or [file for file in every if file.path.startswith(f"{source.file}/")]
    if not chosen:
        raise ConfigurationError(
            f"{source.repo} at {source.revision} has no file {source.file!r}. {_suggestion(source.file, every)}".rstrip()
        )
    return chosen


def _suggestion(file: str, every: Sequence[RemoteFile]) -> str:
    return nearest(file, [other.path for other in every])


def _hugging_face(source: HubSource, endpoints: Endpoints, client: httpx.Client, patience: Patience) -> HubFiles:
    base = endpoints.hugging_face
    token = endpoints.hugging_face_token
    headers = {"authorization": f"Bearer {token}"} if token else {}
    refused = f"Either {source.repo!r} at {source.revision!r} does not exist, or it is closed to " + (
        "the account of HF_TOKEN." if token else "the public: set HF_TOKEN to a token of an account that may read it."
    )
    model = f"{base}/api/models/{source.repo}"
    revision = get(client, f"{model}/revision/{quote(source.revision, safe='')}", headers, patience, refused)
    # A branch may move while its files come; its commit does not.
    commit = _decode(revision, _HuggingFaceRevision).sha
    entries: list[_HuggingFaceEntry] = []
    page: str | None = f"{model}/tree/{commit}?recursive=true"
    while page:
        _same_origin(page, base)
        response = get(client, page, headers, patience, refused)
        entries += _decode(response, list[_HuggingFaceEntry])
        page = response.links.get("next", {}).get("url")
    files = [
        RemoteFile(
            path=_plain(entry.path),
            url=f"{base}/{source.repo}/resolve/{commit}/{quote(entry.path)}",
            size=entry.lfs.size if entry.lfs else entry.size,
            sha256=entry.lfs.oid if entry.lfs else None,
            headers=headers,
            refused=refused,
        )
        for entry in entries
        if entry.type == "file"
    ]
    return HubFiles(files, commit)


def _modelscope(source: HubSource, endpoints: Endpoints, client: httpx.Client, patience: Patience) -> HubFiles:
    model = f"{endpoints.modelscope}/api/v1/models/{source.repo}/repo"
    refused = f"{source.repo!r} at {source.revision!r} does not exist on ModelScope, or is not public."
    query = urlencode({"Revision": source.revision, "Recursive": "true"})
    response = get(client, f"{model}/files?{query}", {}, patience, refused)
    files = [
        RemoteFile(
            path=_plain(entry.path),
            url=f"{model}?{urlencode({'Revision': source.revision, 'FilePath': entry.path})}",
            size=entry.size,
            sha256=entry.sha256 or None,
            refused=refused,
        )
        for entry in _decode(response, _ModelScopeListing).data.files
        if entry.type == "blob"
    ]
    return HubFiles(files)


def _decode(response: httpx.Response, kind: Any) -> Any:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        url = without_secrets(str(response.request.url))
        raise ConfigurationError(f"{url} did not answer as a hub does: {error}. Check the endpoint's address.") from None


def _same_origin(page: str, base: str) -> None:
    """A listing's next page must be the hub's own: the token goes with the request."""
    if httpx.URL(page).copy_with(raw_path=b"/") != httpx.URL(base).copy_with(raw_path=b"/"):
        raise ConfigurationError(f"The listing at {base} goes on at another host, {httpx.URL(page).host}. That is not followed.")


def _plain(path: str) -> str:
    """`path`, which a hub gave, unless it leads out of the model's folder."""
    if path.startswith("/") or any(part in {"", ".", ".."} for part in path.split("/")) or not path.isprintable():
        raise ConfigurationError(f"The hub lists a file with the path {path!r}, which leads elsewhere. Nothing was taken.")
    return path
