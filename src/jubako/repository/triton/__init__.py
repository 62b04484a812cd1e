"""Entries of Triton's repositories: a ``config.pbtxt``, or nothing but a model's file."""
