"""The gate that every request passes: pace, pauses, breaker and budgets in one place.

Lives in the event loop of `traffic`; what it decides by are the pure parts of `pace` and
`spending`.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from gradatim.solvers.account import Account
from gradatim.solvers.line import Line
from gradatim.solvers.pace import Breaker, Pace
from gradatim.solvers.spending import Cost, Spending
from gradatim.solvers.wire import Answered, Fault

BACKOFF, BACKOFF_MOST = 0.5, 30.0  # seconds; full jitter over min(most, first * 2^trial)
PATIENCE = 300.0  # a longer wish to wait is not granted
NAP = 0.25  # how often one who waits looks whether all is over
REFUSED = ("429",)  # the server is well and wants less; a spent quota does not come back
HEALTH = ("timeout", "spent")  # faults that say nothing of the server's health


class Ticket(NamedTuple):
    """One request on its way: the most it may cost, and the epochs of its start."""

    bound: Cost
    pace: int
    breaker: int


class Gate:
    """Lets requests through one by one; asked before and told after each.

    Attributes:
        ending: whether nothing more is to be asked, whatever the gate thinks.
        over: why the gate lets nothing through any more: "", a budget's name or "errors".
    """

    def __init__(self, line: Line, ending: Callable[[], bool]) -> None:
        self.ending = ending
        self.pace = Pace(line.in_flight)
        self.breaker = Breaker(line.error_share)
        self.spending = Spending(line.limits, Account(line.account))
        self.over = ""
        self.waited = 0.0
        self._active = 0
        self._before = line.in_flight  # the limit when the breaker opened
        self._until = 0.0
        self._refusals = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def begin(self) -> None:
        """A new event loop; what was learned of the server stays."""
        self._active = 0
        self._waiting.clear()

    async def enter(self, bound: Cost, *, least: bool) -> Ticket | None:
        """Wait for one's turn.

        Args:
            bound: the most that the request may cost.
            least: nothing smaller could be asked, so that a budget too small for it is used up.

        Returns:
            None where nothing more may be asked, or not this much.
        """
        while not (self.over or self.ending()):
            if (wait := self._until - time.monotonic()) > 0:
                await asyncio.sleep(min(wait, NAP))
            elif self._active >= self.pace.limit:
                await self._turn()
            elif self.spending.fits(bound):
                self._active += 1
                self.spending.take(bound)
                return Ticket(bound, self.pace.epoch, self.breaker.epoch)
            elif self._active:  # what is in flight may cost less than its most
                await self._turn()
            else:
                if least:
                    self.over = self.spending.stopped_by
                break
        self._wake(len(self._waiting))
        return None

    def leave(self, ticket: Ticket, got: Answered | Fault, seconds: float, cost: Cost) -> None:
        """A request came back."""
        self._active -= 1
        self.spending.settle(ticket.bound, cost)
        if not isinstance(got, Fault):
            self._refusals = 0
            self.pace.answered(seconds, ticket.pace)
            self._break("", ticket)
        elif got.cause in REFUSED:
            if self.pace.refused(ticket.pace):
                self._refusals += 1
            self.pause(jitter(self._refusals) if got.wait is None else got.wait)
        elif got.passing and got.cause not in HEALTH:
            self._break(got.cause, ticket)
            if got.wait is not None:
                self.pause(got.wait)
        self._wake(max(1, self.pace.limit - self._active))

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long, unless that is longer than anybody's patience."""
        if 0 < seconds <= PATIENCE:
            now = time.monotonic()
            until = max(self._until, now + seconds)
            self.waited += until - max(self._until, now)
            self._until = until

    def report(self) -> dict[str, Any]:
        """What was spent, and what stopped it."""
        return {
            **self.spending.report(),
            "seconds_paused": round(self.waited, 3),
            "stopped_by": self.over or None,
        }

    def _break(self, cause: str, ticket: Ticket) -> None:
        ill = self.breaker.opened > 0
        wait = self.breaker.note(cause, ticket.breaker)
        if wait:
            self._before = self._before if ill else self.pace.limit
            self.pace.reset(1)
            self.pause(wait)
        elif ill and not self.breaker.opened:
            self.pace.reset(max(1, self._before // 2))
        if self.breaker.gave_up:
            self.over = "errors"

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _wake(self, most: int) -> None:
        while most > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled ones are gone
                turn.set_result(None)
                most -= 1


def jitter(trial: int) -> float:
    """Seconds of the back-off before a trial: full jitter."""
    return random.uniform(0, min(BACKOFF_MOST, BACKOFF * 2**trial))
