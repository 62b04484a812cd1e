"""Python environments for engines that can't share the server's own."""

from __future__ import annotations

from jubako.environments.resolution import Tenant, interpreter, located

__all__ = ["Tenant", "interpreter", "located"]
