"""One adapter for each engine, all behind :class:`jubako.backends.base.Backend`."""
