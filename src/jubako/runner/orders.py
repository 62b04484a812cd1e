"""What the runner's control plane is told, and what it answers, as JSON."""

from __future__ import annotations

from msgspec import Struct

from jubako.errors import WireError


class ModelOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Load or unload `model`, the name of an entry."""

    model: str


class AliasOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Let `alias` mean a version of `model`, or nothing where that is None."""

    model: str
    alias: str
    version: int | None


class RegionOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Forget the shared memory region `name`; None for all."""

    name: str | None


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What became of an order: it was done, or there is an `error`.

    Every snapshot from `serial` on shows what it changed, and instances that ask other models go by it already. What failed may
    have changed something too: a model that could not be loaded has FAILED, and what it needs was perhaps loaded before.
    """

    serial: int
    error: WireError | None = None
