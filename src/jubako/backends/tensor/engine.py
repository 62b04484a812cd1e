"""What one engine of tensor models must be able to do; :class:`jubako.backends.tensor.model.TensorBackend` does the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jubako.backends.base import ModelSpec
from jubako.messages import Parameter
from jubako.tensors import Arrays, Signature


class TensorEngine(ABC):
    """One loaded model that computes batches of arrays. All methods may block: threads call them. Only a :meth:`run` that has
    always been over in next to no time may be called from the event loop's own.

    Attributes:
        takes_parameters: Whether requests' parameters change what the model computes. Where they do not, requests with different
            ones may share a batch, and :meth:`run` gets none.
        asks_others: Whether :meth:`run` may wait for other models. Then the event loop's thread, which has to ask them, never
            calls it.
    """

    takes_parameters = False
    asks_others = False

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @abstractmethod
    def load(self) -> Signature:
        """Load the model. Returns its whole signature: what the entry says, completed with what the model's file says.

        Raises:
            ConfigurationError: the entry is wrong or contradicts the file, so that trying again is useless.
        """

    @abstractmethod
    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        """Compute one batch.

        Called by up to ``batching.max_in_flight`` threads at once.

        Args:
            inputs: By name: checked against the signature, joined along the batch dimension (if there is one), read-only, of the
                dtype that :func:`jubako.tensors.dtype_of` gives. Optional inputs may be missing. An input that is `ragged` comes
                flat, the elements of all requests end to end.
            wanted: The outputs that somebody in the batch wants. Others need not be computed, but may be given.
            parameters: Those of the requests in the batch, all the same.

        Returns:
            Arrays by the names of outputs, each with the rows of the inputs along the batch dimension, if there is one.

        Raises:
            JubakoError: for all callers in the batch.
        """

    def cost(self, inputs: Arrays) -> float:
        """The work of one request, for ``batching.cost: model``.

        Unlike the others it is called from the event loop's thread, before the request joins a batch: it must not block.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Called once, after the last run."""
