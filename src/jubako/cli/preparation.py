"""What `jubako serve` does before it starts: check the repository and fetch the weights that are missing."""

from __future__ import annotations

from jubako.settings import Settings


def prepare(settings: Settings) -> None:
    """Show what is wrong with the repository and fetch what it lacks. Neither keeps the server from starting."""
