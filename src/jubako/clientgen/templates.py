"""The templates of a package's files."""

from __future__ import annotations

from importlib.resources.abc import Traversable

import jinja2


def environment_of(folder: Traversable) -> jinja2.Environment:
    """Templates lie in `folder`; a name that they use and nobody gives is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(*name.split("/")).read_text(encoding="utf-8")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - what is made is no HTML
    )
    environment.filters["chomp"] = lambda text: text.removesuffix("\n")
    return environment
