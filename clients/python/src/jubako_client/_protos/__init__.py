"""The messages of the protocols; :mod:`jubako_client` speaks of them in types of its own."""
