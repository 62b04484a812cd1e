"""What `jubako serve` does before it starts: check the repository and fetch the weights that are missing."""

from __future__ import annotations

from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.download_bar import download_bar
from jubako.cli.terminal import complain, err, remark
from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache
from jubako.repository.repository import Version, read_repository
from jubako.repository.selection import check_names, selected, with_versions
from jubako.repository.sources import cached_weights, fetch_weights
from jubako.settings import Settings


def prepare(settings: Settings) -> None:
    """Show what is wrong with the repository and fetch what the start needs. Neither keeps the server from starting.

    Raises:
        ConfigurationError: there is no repository, or no model that the setting `load` names.
    """
    repository = read_repository(settings.repository, BACKENDS)
    check_names(repository, settings.load)
    for problem in repository.problems:
        err.print(Text(str(problem), "red"))
    if repository.broken:
        remark(f"Not served, because of what is said above: {', '.join(repository.broken)}.")
    cache = Cache(settings.cache_dir)
    for name in sorted(selected(repository, settings.load) & repository.models.keys()):
        for version in with_versions(repository.models[name], settings.load).served_versions:
            if version.source is not None and cached_weights(version, cache) is None:
                _fetch(version, cache)


def _fetch(version: Version, cache: Cache) -> None:
    try:
        with download_bar(err) as progress:
            fetch_weights(version, cache, progress)
    except ConfigurationError as error:
        complain(f"{version.model_name}: {error.message}")
