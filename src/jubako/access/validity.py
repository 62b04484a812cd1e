"""How long something may go on: as long as the key counts with which it was begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Self

from jubako.access.key import Key
from jubako.access.scope import Access
from jubako.errors import JubakoError

ALWAYS: Final[AbstractContextManager[object]] = nullcontext()
"""For what needs no key."""


class Validity:
    """Around work of the current task that may take long. :meth:`end` cancels it, and the block then raises the error.

    Args:
        begun: Called with this when the block begins.
        over: Called with this when the block ends, however it does.
    """

    __slots__ = ("_begun", "_cancelling", "_error", "_over", "_owner", "access", "key")

    def __init__(self, key: Key, access: Access, begun: Callable[[Validity], None], over: Callable[[Validity], None]) -> None:
        self.key = key
        self.access = access
        self._begun = begun
        self._over = over
        self._error: JubakoError | None = None

    def __enter__(self) -> Self:
        owner = asyncio.current_task()
        assert owner is not None
        self._owner = owner
        self._cancelling = owner.cancelling()
        self._begun(self)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._over(self)
        if self._error is not None and self._owner.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise self._error from None

    def end(self, error: JubakoError) -> None:
        """Cancel the work, because of `error`."""
        if self._error is None:
            self._error = error
            self._owner.cancel()
