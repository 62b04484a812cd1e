"""`jubako push`."""

from __future__ import annotations

from typing import Annotated

import typer

from jubako.backends.declarations import BACKENDS
from jubako.cli.artifact import is_reference, push_version, reference_of
from jubako.cli.repository import PlainHttp, RepositoryOption, find_version
from jubako.cli.terminal import USAGE, sentences
from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache
from jubako.repository.repository import read_repository
from jubako.settings import load_settings


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="By any of its names; @ALIAS says a version too.")],
    target: Annotated[
        str, typer.Argument(metavar="oci://REGISTRY/NAME[:TAG]", help="Where to. Default tag: the version's number.")
    ],
    plain_http: PlainHttp = False,
    repository: RepositoryOption = None,
) -> None:
    """Push a version of a model to a registry, as an artifact with its entry and its weights, and print its digest.

    Only what the registry lacks is sent. The printed reference is a source for other entries; `jubako pull` takes it.
    """
    with sentences(USAGE):
        if not is_reference(target):
            raise ConfigurationError(
                f"{target!r} does not say oci:// in front: write oci://{target} to push a model as an artifact."
            )
        reference = reference_of(target, plain_http)
        settings = load_settings({"repository": str(repository)} if repository else {}).settings
    with sentences():
        found = read_repository(settings.repository, BACKENDS)
        version = find_version(found, model)
        push_version(found.models[version.model_name], version, reference, Cache(settings.cache_dir))
