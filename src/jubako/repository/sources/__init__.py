"""How weights come: one module a scheme, one download for all of them."""

from jubako.repository.sources.fetch import cached_weights, fetch_source, fetch_weights, local_path, pinned_source
from jubako.repository.sources.pinning import unpinned_sources

__all__ = ["cached_weights", "fetch_source", "fetch_weights", "local_path", "pinned_source", "unpinned_sources"]
