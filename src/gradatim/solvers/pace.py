"""How fast to ask: how many requests at once, and when to stop asking for a while.

Both are pure: told what came back, they say a number. Requests that were sent before a change say
nothing of what it brought, so each carries the `epoch` of its start and late ones are not heard.
"""

import statistics
from collections import Counter, deque
from dataclasses import dataclass, field

WINDOW = 16  # answers that a limit is judged by, or as many as the limit
SLOW, RELIEF = 3.0, 0.75  # of the usual seconds: too slow; and of the slow ones: it helped
FALL, RISE = 0.25, 0.02  # how fast the usual seconds follow shorter and longer ones
SEEN, AGAIN = 40, 10  # responses that the breaker judges by, and after a pause
PAUSE, PAUSE_MOST, PAUSES = 1.0, 60.0, 6  # seconds: 1, 2, 4, 8, 16, 32, then it gives up


@dataclass(slots=True)
class Pace:
    """Requests at once: one more after each window of answers, half after a refusal or delay.

    A window whose median latency is `SLOW` times the usual halves the limit too; if answers are
    then no faster, length was the reason and not the queue: the limit comes back and what is usual
    is learned anew.

    Attributes:
        most: highest limit, where it starts.
        limit: requests that may be in flight now.
        usual: seconds of an answer, near the lowest median of a window.

    >>> pace = Pace(64)
    >>> pace.refused(pace.epoch), pace.limit, pace.refused(0)
    (True, 32, False)
    """

    most: int
    limit: int = 0
    epoch: int = 0
    usual: float = 0.0
    _seconds: list[float] = field(default_factory=list)
    _cut: tuple[int, float] | None = None  # limit before a cut for latency, and that latency

    def __post_init__(self) -> None:
        self.limit = self.limit or self.most

    def answered(self, seconds: float, epoch: int) -> None:
        """One answer that took so long, sent at that epoch."""
        if epoch != self.epoch:
            return
        self._seconds.append(seconds)
        if len(self._seconds) < max(self.limit, WINDOW):
            return
        middle = statistics.median(self._seconds)
        self._seconds.clear()
        if self._cut is not None:
            (before, slow), self._cut = self._cut, None
            if middle > RELIEF * slow:
                self.limit, self.usual = before, middle
                return
        if not self.usual:
            self.usual = middle
        if middle > SLOW * self.usual and self.limit > 1:
            self._cut = (self.limit, middle)
            self.reset(self.limit // 2)
            return
        self.usual += (FALL if middle < self.usual else RISE) * (middle - self.usual)
        self.limit = min(self.most, self.limit + 1)

    def refused(self, epoch: int) -> bool:
        """One refusal (429); whether it is news: only one of each epoch halves the limit."""
        if epoch != self.epoch:
            return False
        self._cut = None
        self.reset(max(1, self.limit // 2))
        return True

    def reset(self, limit: int) -> None:
        """Another limit from here on."""
        self.limit = limit
        self.epoch += 1
        self._seconds.clear()


@dataclass(slots=True)
class Breaker:
    """Stops asking while too many responses are errors, for longer each time, then for good.

    Attributes:
        share: of errors, above which it opens; 1 never does.
        opened: pauses since things were last well; after `PAUSES` it gives up.
        causes: errors by cause since then, for the report.

    >>> breaker = Breaker(0.5)
    >>> [breaker.note("503", 0) for _ in range(40)][-1], breaker.opened
    (1.0, 1)
    """

    share: float
    opened: int = 0
    epoch: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    heard: int = 0
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=SEEN))

    def note(self, cause: str, epoch: int) -> float:
        """A response, "" for a good one; seconds to pause for, 0 for none."""
        if epoch != self.epoch:
            return 0.0
        self._last.append(bool(cause))
        self.heard += 1
        if cause:
            self.causes[cause] += 1
        if len(self._last) < (AGAIN if self.opened else SEEN):
            return 0.0
        if sum(self._last) > self.share * len(self._last):
            pause = min(PAUSE_MOST, PAUSE * 2.0**self.opened)
            self.opened += 1
            self.epoch += 1
            self._last.clear()
            return pause
        if self.opened or self.heard >= SEEN:
            self._well()
        return 0.0

    @property
    def well(self) -> bool:
        """Whether errors are not more than their share, as far as is known."""
        return not self.opened and sum(self._last) <= self.share * max(len(self._last), AGAIN)

    @property
    def gave_up(self) -> bool:
        """Whether pauses did not help."""
        return self.opened > PAUSES

    def report(self) -> str:
        """What went wrong how often."""
        named = ", ".join(f"{n} x {cause}" for cause, n in self.causes.most_common(3))
        return f"{self.causes.total()} of the last {self.heard} responses were errors ({named})"

    def _well(self) -> None:
        self.opened = 0
        self.causes.clear()
        self.heard = 0
