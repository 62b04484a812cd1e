"""When the next requests will come, learned from those that came."""

from __future__ import annotations

from collections.abc import Iterator

STEPS = 8
"""Points at which the return of a batch's clients is measured: when an eighth of as many was back, two eighths, ..."""

NEEDED = 3
"""Batches of about one size before the return of their clients is predicted."""

LATE = 2.0
"""A client that is not back after so many times the time that was expected is expected no more."""

WEIGHT = 0.2
"""Of the newest batch in the averages, once there are several."""


class _Profile:
    """After a batch of about this size was answered: seconds until an eighth of as many requests had come, two eighths, ..."""

    __slots__ = ("deviation", "mean", "samples")

    def __init__(self) -> None:
        self.mean = [0.0] * (STEPS + 1)
        self.deviation = [0.0] * (STEPS + 1)
        self.samples = 0

    def learn(self, answered: int, offsets: list[float], late: float) -> None:
        """`offsets` are the arrivals until the next batch was answered; those that never came, or later, count as `late`."""
        self.samples += 1
        weight = max(WEIGHT, 1.0 / self.samples)
        came = len(offsets)
        mean, deviation = self.mean, self.deviation
        for step in range(1, STEPS + 1):
            rank = -(-step * answered // STEPS)
            seen = min(offsets[rank - 1], late) if rank <= came else late
            error = seen - mean[step]
            mean[step] += weight * error
            if self.samples > 1:
                deviation[step] += weight * (abs(error) - deviation[step])

    def at(self, rank: float, answered: int) -> float:
        """Mean seconds until `rank` of `answered` were back."""
        place = rank * STEPS / answered
        step = int(place)
        if step >= STEPS:
            return self.mean[STEPS]
        below = self.mean[step]
        return below + (place - step) * (self.mean[step + 1] - below)


class Arrivals:
    """Expects a request for each that was answered a moment ago, at the pace at which they came after earlier batches.

    Clients that wait for an answer before they ask again come back together, soon after a batch was answered, and then nobody
    comes until the next one is. Independent clients come at any time, so their requests are spread over the whole time between
    two batches. One measurement tells these apart: the times, after a batch of `n` requests was answered, at which `n` more had
    come. It is kept for each class of `n`, from a power of two to just below the next, so that it is right at once when the
    number of clients changes.
    """

    __slots__ = ("_answered", "_came", "_profiles", "_since", "gap")

    def __init__(self) -> None:
        self._profiles: dict[int, _Profile] = {}
        self._answered = 0
        self._since = 0.0
        self._came: list[float] = []
        self.gap = 0.0
        """Mean seconds between two arrivals; 0 while nothing is known."""

    def arrived(self, now: float) -> None:
        """A request came."""
        self._came.append(now)

    def answered(self, count: int, now: float, seconds: float) -> None:
        """A batch of `count` requests was answered, after it ran for `seconds`; nobody is waited for longer than twice that."""
        lasted = now - self._since
        came = self._came
        if self._answered:
            number = self._answered.bit_length()
            profile = self._profiles.get(number)
            if profile is None:
                profile = self._profiles[number] = _Profile()
            since = self._since
            profile.learn(self._answered, [at - since for at in came[: self._answered]], 2.0 * seconds)
            if came:
                gap = lasted / len(came)
                self.gap += 0.05 * (gap - self.gap) if self.gap else gap
        self._answered = count
        self._since = now
        came.clear()

    def expected(self, now: float) -> Iterator[tuple[int, float]]:
        """How many more requests are expected, within how many seconds from `now`: each step more, and later.

        The times are on the safe side: the mean and the mean deviation. Empty while nothing is known, where everybody is back,
        and where the next one is so late that the clients must have left.
        """
        answered, back = self._answered, len(self._came)
        if back >= answered:
            return
        profile = self._profiles.get(answered.bit_length())
        if profile is None or profile.samples < NEEDED:
            return
        passed = now - (self._came[-1] if back else self._since)
        behind = profile.at(back, answered)
        following = profile.at(back + 1, answered) - behind + profile.deviation[back * STEPS // answered + 1]
        if passed > LATE * following:
            return
        for step in range(back * STEPS // answered + 1, STEPS + 1):
            more = -(-step * answered // STEPS) - back
            if more > 0:
                yield more, max(profile.mean[step] - behind - passed, 0.0) + profile.deviation[step]
