"""Models of the user's own Python code; what that code imports is :mod:`jubako.model`."""
