"""jubako: one versioned model repository, every engine behind one interface, served over HTTP."""

__version__ = "0.1.0"

__all__ = ["__version__"]
