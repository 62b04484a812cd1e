from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.admission import Admission, Place
from jubako.errors import DeadlineExceeded, Overloaded
from jubako.messages import Caller


class Recorder:
    """A call that notes what it is told."""

    caller = Caller("test")
    stream = True

    def __init__(self) -> None:
        self.told: list[str] = []

    def queued(self) -> None:
        self.told.append("queued")

    def started(self) -> None:
        self.told.append("started")


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_place_is_taken_without_a_word() -> None:
    admission, call = Admission(1, 0), Recorder()
    with await admission.enter(call):
        assert admission.running == 1
    assert (admission.running, call.told) == (0, [])


async def test_places_go_in_order_of_arrival() -> None:
    admission, order = Admission(1, 10), list[int]()

    async def request(number: int) -> None:
        with await admission.enter(call := Recorder()):
            order.append(number)
            await asyncio.sleep(0)
        assert call.told in ([], ["queued", "started"])

    await asyncio.gather(*(request(number) for number in range(6)))
    assert order == list(range(6))


async def test_a_full_queue_refuses_with_both_numbers() -> None:
    admission = Admission(1, 2)
    place = await admission.enter(Recorder())
    waiting = [asyncio.create_task(admission.enter(Recorder())) for _ in range(2)]
    await _settle()
    with pytest.raises(Overloaded, match="1 of 1 places are taken, and 2 of at most 2 requests wait"):
        await admission.enter(Recorder())
    assert (admission.running, admission.queued) == (1, 2)
    place.release()
    (await waiting[0]).release()
    (await waiting[1]).release()
    assert (admission.running, admission.queued) == (0, 0)


async def test_a_wait_ends_at_the_timeout_and_leaves_nothing_behind() -> None:
    admission = Admission(1, 2, queue_timeout_s=0.01)
    with await admission.enter(Recorder()):
        with pytest.raises(DeadlineExceeded, match=r"0\.01 seconds"):
            await admission.enter(Recorder())
        assert admission.queued == 0
    assert admission.running == 0


async def test_a_wait_ends_at_the_callers_deadline_and_says_so() -> None:
    loop = asyncio.get_running_loop()
    admission = Admission(1, 2, queue_timeout_s=20)
    hasty = Recorder()
    with await admission.enter(Recorder()):
        hasty.caller = Caller("hasty", loop.time() + 1.0)
        with pytest.raises(DeadlineExceeded, match="deadline that the client set"):
            await admission.enter(hasty)
        assert (admission.running, admission.queued, hasty.told) == (1, 0, ["queued"])
    # One whose time is up already gets no place, though there is one.
    with pytest.raises(DeadlineExceeded, match="deadline that the client set"):
        await admission.enter(hasty)
    assert admission.running == 0


async def test_giving_back_twice_frees_one_place() -> None:
    admission = Admission(2, 0)
    first, second = await admission.enter(Recorder()), await admission.enter(Recorder())
    first.release()
    first.release()
    assert admission.running == 1
    second.release()


async def test_a_request_for_more_places_waits_behind_others() -> None:
    admission = Admission(1, 1)
    first = await admission.enter(Recorder())
    other = asyncio.create_task(admission.enter(Recorder()))
    await _settle()
    more = asyncio.create_task(admission.enter_again())
    await _settle()
    first.release()
    place = await other
    assert not more.done()
    place.release()
    (await more).release()
    assert admission.running == 0


async def test_cancelled_in_the_turn_that_gives_the_place() -> None:
    admission = Admission(1, 2)
    place = await admission.enter(Recorder())
    unlucky, next_one = asyncio.create_task(admission.enter(Recorder())), asyncio.create_task(admission.enter(Recorder()))
    await _settle()
    place.release()
    unlucky.cancel()
    (await next_one).release()
    assert unlucky.cancelled()
    assert (admission.running, admission.queued) == (0, 0)


async def test_a_place_is_given_back_in_the_turn_that_cancels_who_waits() -> None:
    admission = Admission(1, 1)
    place = await admission.enter(Recorder())
    unlucky = asyncio.create_task(admission.enter(Recorder()))
    await _settle()
    unlucky.cancel()
    place.release()
    await asyncio.wait([unlucky])
    assert unlucky.cancelled()
    assert (admission.running, admission.queued) == (0, 0)


Step = Callable[["Crowd"], Awaitable[None]]


class Crowd:
    """Requests that come, leave early, finish and go on, in any order."""

    def __init__(self, capacity: int, queue: int) -> None:
        self.capacity = capacity
        self.queue = queue
        self.admission = Admission(capacity, queue)
        self.waiting: list[asyncio.Task[Place]] = []
        self.places: list[Place] = []

    async def arrive(self) -> None:
        self.waiting.append(asyncio.create_task(self.admission.enter(Recorder())))

    async def want_more(self) -> None:
        self.waiting.append(asyncio.create_task(self.admission.enter_again()))

    async def leave(self) -> None:
        if self.waiting:
            self.waiting.pop(len(self.waiting) // 2).cancel()

    async def finish(self) -> None:
        if self.places:
            self.places.pop(0).release()

    async def turn(self) -> None:
        await _settle()

    async def check(self) -> None:
        done = [task for task in self.waiting if task.done()]
        self.waiting = [task for task in self.waiting if not task.done()]
        self.places += [task.result() for task in done if task.exception() is None]
        assert all(isinstance(task.exception(), Overloaded | None) for task in done)
        assert self.admission.running <= self.capacity

    async def empty(self) -> None:
        for task in self.waiting:
            task.cancel()
        await _settle()
        for task in self.waiting:
            if not task.cancelled() and task.exception() is None:
                self.places.append(task.result())
        for place in self.places:
            place.release()
        await _settle()


steps = st.sampled_from([Crowd.arrive, Crowd.arrive, Crowd.want_more, Crowd.leave, Crowd.finish, Crowd.turn])


@given(st.integers(1, 3), st.integers(0, 3), st.lists(steps, max_size=40))
def test_no_place_is_ever_lost_or_made(capacity: int, queue: int, steps: list[Step]) -> None:
    async def run() -> None:
        crowd = Crowd(capacity, queue)
        for step in steps:
            await step(crowd)
            await crowd.check()
        await crowd.turn()
        await crowd.check()
        # Nobody waits while a place is free.
        assert not crowd.waiting or crowd.admission.running == capacity
        await crowd.empty()
        assert (crowd.admission.running, crowd.admission.queued) == (0, 0)

    asyncio.run(run())
