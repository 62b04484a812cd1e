"""The library's continuous batching, with what it lacks: ends of cancelled requests, sampling by request, word of its death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel
from transformers.generation.continuous_batching.continuous_api import (
    ContinuousBatchingManager,
    ContinuousBatchProcessor,
    OutputRouter,
)
from transformers.generation.continuous_batching.requests import GenerationOutput, RequestState
from transformers.generation.continuous_batching.scheduler import FIFOScheduler

from jubako.backends.transformers.sampler import Sampler
from jubako.backends.transformers.sequence import Sequence
from jubako.backends.transformers.streams import Mailbox, Step
from jubako.messages import TokenIds


class Manager(ContinuousBatchingManager):  # type: ignore[misc] # the library has no types
    """Runs the batch in a thread of its own; the methods here are for the event loop.

    Args:
        sampler: Chooses the tokens.
        mailbox: Where the answers go.
        on_death: Called in the thread when it is about to end for an error, and all requests with it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        config: ContinuousBatchingConfig,
        sampler: Sampler,
        mailbox: Mailbox,
        on_death: Callable[[BaseException], None],
    ) -> None:
        # Without an end of its own: each request brings the tokens that end it.
        greedy = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
        super().__init__(model, greedy, config)
        self.logit_processor = self._sampler = sampler
        self.output_router = Router(sampler, mailbox)
        self.steps = 0
        """Batches computed so far."""
        self._mailbox = mailbox
        self._on_death = on_death
        self._made = 0

    def begin(self, sequence: Sequence, prompt: TokenIds, max_tokens: int, end_tokens: set[int]) -> str:
        """Put a request into the queue, and return its id.

        Raises:
            RuntimeError: the thread has ended.
        """
        self._made += 1
        request_id = f"r{self._made}"
        self._sampler.sequences[request_id] = sequence
        ends = list(end_tokens) or -1
        if self.add_request(prompt, request_id, max_new_tokens=max_tokens, streaming=True, eos_token_id=ends) is None:
            self.forget(request_id)
            raise RuntimeError("The engine has stopped.")
        return request_id

    def forget(self, request_id: str) -> None:
        """Called once the request is over."""
        self._sampler.sequences.pop(request_id, None)

    @property
    def cache_usage(self) -> float | None:
        """How full the KV cache is, from 0 to 1. What is kept for later prompts counts as free, because it makes way."""
        processor: ContinuousBatchProcessor | None = self.batch_processor
        if processor is None:
            return None
        cache = processor.cache
        kept = sum(len(part.ledger.cached_blocks) * part.bytes_per_block for part in cache.cache_allocators.values())
        free = cache.compute_free_capacity(relative=False) + kept
        return float(max(0.0, 1.0 - free / (cache.num_sectors * cache.bytes_per_sector)))

    def _create_batch_processor(self) -> ContinuousBatchProcessor:
        processor = super()._create_batch_processor()
        old = processor.scheduler
        scheduler = Scheduler(old.cache, old.safety_margin, old.max_requests_per_batch)
        scheduler.on_cleared = self._mailbox.post_ends
        processor.scheduler = processor.offloading_manager.scheduler = scheduler
        return processor

    def _generation_step(self) -> None:
        super()._generation_step()
        self.steps += 1

    def _handle_critical_error(self, error: Exception, batch_processor: ContinuousBatchProcessor | None) -> None:
        self._on_death(error)
        super()._handle_critical_error(error, batch_processor)


class Scheduler(FIFOScheduler):  # type: ignore[misc] # the library has no types
    """Tells when cancelled requests have left the batch; the library's own says nothing of it."""

    on_cleared: Callable[[list[str]], None]

    def clear_cancelled_requests(self) -> list[RequestState]:
        cancelled = list(self._requests_to_cancel)
        states: list[RequestState] = super().clear_cancelled_requests()
        if cancelled:
            self.on_cleared(cancelled)
        return states


class Router(OutputRouter):  # type: ignore[misc] # the library has no types
    """Posts outputs as steps, all of a batch at once; the library's own keeps a handler for ever if a request is cancelled."""

    def __init__(self, sampler: Sampler, mailbox: Mailbox) -> None:
        super().__init__()
        self._sampler = sampler
        self._mailbox = mailbox

    def deliver(self, output: GenerationOutput) -> None:
        self.deliver_batch([output])

    def deliver_batch(self, outputs: list[GenerationOutput]) -> None:
        steps = []
        for output in outputs:
            sequence = self._sampler.sequences.get(output.request_id)
            if sequence is not None:
                steps.append((output.request_id, _step(output, sequence)))
        if steps:
            self._mailbox.post(steps)


def _step(output: GenerationOutput, sequence: Sequence) -> Step:
    """What is new in `output`, whose tokens are all that were generated."""
    tokens: list[int] = output.generated_tokens[sequence.delivered :]
    sequence.delivered += len(tokens)
    chosen, sequence.chosen = sequence.chosen, []
    error: Any = sequence.error or output.error
    return Step(tokens, chosen, sequence.cached_tokens or 0, output.is_finished(), error)
