"""What the runner's control plane is told, and what it answers, as JSON."""

from __future__ import annotations

from msgspec import Struct


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


class Applied(Struct, frozen=True):
    """It is done, and every snapshot from `serial` on says so."""

    serial: int
