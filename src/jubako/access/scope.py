"""What a route or a method takes: no key, any key, or one of a scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["infer", "admin", "metrics"]
"""infer asks models, admin changes what the server does, metrics reads how it does. None includes another."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


@dataclass(frozen=True)
class Access:
    """What a caller needs, where keys are asked for at all.

    Attributes:
        scope: The key must have it; None: any key will do.
        all_models: It concerns the whole server, so the key must not be limited to some models.
        is_open: Nobody is asked for a key. What there is to see of models is then seen with a key only.
    """

    scope: Scope | None = None
    all_models: bool = False
    is_open: bool = False


OPEN: Final = Access(is_open=True)
ANY_KEY: Final = Access()
INFER: Final = Access("infer")
ADMIN: Final = Access("admin")
"""For what names the model that it changes."""
METRICS: Final = Access("metrics")
SERVER_ADMIN: Final = Access("admin", all_models=True)
"""For what changes the server, whatever the model."""
SERVER_METRICS: Final = Access("metrics", all_models=True)
