"""The layer that owns instances: starts, watches, replaces and drains them."""
