"""What a protocol makes of an upstream's answer to a chat or a completion."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jubako.errors import UpstreamFailed
from jubako.messages import Delta, Usage


class AnswerReader(ABC):
    """Reads one answer: either its :meth:`event` s one by one and then its :meth:`end`, or the :meth:`whole` of it.

    Attributes:
        usage: As far as the upstream has told it.
        done: The stream's last event has come.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.usage = Usage()
        self.done = False

    @abstractmethod
    def event(self, data: bytes) -> list[Delta]:
        """What one event of a stream adds.

        Raises:
            JubakoError: the event is an error, or not what the protocol says.
        """

    @abstractmethod
    def end(self) -> list[Delta]:
        """What is missing once the stream has ended.

        Raises:
            UpstreamFailed: the answer is not complete.
        """

    @abstractmethod
    def whole(self, body: bytes) -> list[Delta]:
        """All of an answer that did not stream: one delta for each choice.

        Raises:
            JubakoError: it is not what the protocol says.
        """

    def _nonsense(self, what: str) -> UpstreamFailed:
        return UpstreamFailed(f"The upstream {self.name} sent what its protocol does not have: {what}.")

    def _broke_off(self) -> UpstreamFailed:
        return UpstreamFailed(f"The upstream {self.name} broke off before its answer was complete.")
