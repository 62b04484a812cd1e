"""How weights come: one module a scheme, one download for all of them."""

from jubako.repository.sources.fetch import cached_weights, fetch_source, fetch_weights

__all__ = ["cached_weights", "fetch_source", "fetch_weights"]
