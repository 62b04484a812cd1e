"""Python environments for engines that can't share the server's own."""

from __future__ import annotations

from jubako.environments.record import Environments
from jubako.environments.resolution import Tenant, interpreter, located

__all__ = ["Environments", "Tenant", "interpreter", "located"]
