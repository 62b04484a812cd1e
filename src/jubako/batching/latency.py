"""How long a batch takes, learned from the batches that were run."""

from __future__ import annotations

from collections import deque
from math import inf

REMEMBERED = 9
"""Batches that are remembered of each class of sizes; odd, so that one of them is the middle one."""

HALF_LIFE = 256
"""Batches after which what was seen of a class counts half."""

NEEDED = 3
"""Batches before anything is predicted."""


class _SizeClass:
    """The latest batches of about the same size: from a power of two to just below the next."""

    __slots__ = ("last", "quickest", "recent", "seconds", "work")

    def __init__(self) -> None:
        self.recent: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self.work = 0.0
        self.seconds = 0.0
        self.quickest = 0.0
        self.last = 0

    def add(self, work: float, seconds: float, index: int) -> None:
        recent = self.recent
        recent.append((seconds, work))
        ordered = sorted(recent)
        self.quickest = ordered[0][0]
        middle, self.work = ordered[(len(ordered) - 1) // 2]
        self.seconds = max(middle, 1e-9)
        self.last = index


class LatencyModel:
    """Seconds that a batch takes: ``fixed + per_unit * work``, neither of them ever negative.

    The latest batches are kept by size class, and each class stands for itself with the one of median time, so that first runs
    and stalls count for nothing and a class seen long ago keeps the slope known while only one size is run. Through the medians
    goes the line of least squared *relative* error; a class weighs less the longer ago it was seen.

    While only one class was ever seen, time is taken to be proportional to work: the belief that promises least from larger
    batches.
    """

    __slots__ = ("_classes", "fixed", "per_unit", "samples")

    def __init__(self) -> None:
        self._classes: dict[int, _SizeClass] = {}
        self.fixed = 0.0
        """Seconds of a batch of no work."""
        self.per_unit = 0.0
        """Seconds of each unit of work."""
        self.samples = 0

    @property
    def known(self) -> bool:
        """Whether enough was seen to predict."""
        return self.samples >= NEEDED

    def observe(self, work: float, seconds: float) -> None:
        """A batch of `work` took `seconds`."""
        number = int(work).bit_length()
        seen = self._classes.get(number)
        if seen is None:
            seen = self._classes[number] = _SizeClass()
        self.samples += 1
        seen.add(work, seconds, self.samples)
        self._fit()

    def predict(self, work: float) -> float:
        return self.fixed + self.per_unit * work

    def quickest(self, work: float) -> float:
        """The shortest time of the latest batches of about this work; infinite while there were none."""
        seen = self._classes.get(int(work).bit_length())
        return seen.quickest if seen is not None else inf

    def largest_work(self, seconds: float) -> float:
        """The most work that is done within `seconds`; at most 0 if none is, infinite if it costs nothing."""
        left = seconds - self.fixed
        if self.per_unit > 0.0:
            return left / self.per_unit
        return inf if left >= 0.0 else 0.0

    def _fit(self) -> None:
        classes = self._classes
        if len(classes) == 1:
            (seen,) = classes.values()
            self.fixed, self.per_unit = 0.0, seen.seconds / max(seen.work, 1e-9)
            return
        total = x = y = xx = xy = 0.0
        for seen in classes.values():
            age = self.samples - seen.last
            weight = len(seen.recent) / (seen.seconds * seen.seconds)
            if age:
                weight *= max(0.5 ** (age / HALF_LIFE), 1e-6)
            work, seconds = seen.work, seen.seconds
            total += weight
            x += weight * work
            y += weight * seconds
            xx += weight * work * work
            xy += weight * work * seconds
        spread = total * xx - x * x
        slope = (total * xy - x * y) / spread if spread > 0.0 else 0.0
        fixed = (y - slope * x) / total
        if slope < 0.0:
            slope, fixed = 0.0, y / total
        elif fixed < 0.0:
            slope, fixed = xy / xx, 0.0
        self.fixed, self.per_unit = fixed, slope
