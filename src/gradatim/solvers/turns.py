"""How the thread that asks a server and the caller's thread take turns, as seldom as may be."""

import asyncio
import contextlib
import gc
from collections import deque
from collections.abc import Callable, Iterator

from gradatim.solvers.wire import Fault
from gradatim.types import Reply

COLLECT = 25_000  # objects more, before the collector looks; Python's own number is 700

Arrival = tuple[list[Reply], Fault | None]
Put = Callable[[list[Arrival] | BaseException | None], None]


class Permits:
    """How many requests may be out whose replies are not acknowledged; lives in the loop.

    Attributes:
        acknowledged: counted up by the caller's thread alone. Who asks next sees it at once; who
            waits already, at the next `wake`, which may have to wait for a long turn of the loop.
    """

    def __init__(self, most: int) -> None:
        self.acknowledged = 0
        self._most, self._taken = most, 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for one."""
        if self._taken < self._most + self.acknowledged:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def give_back(self) -> None:
        """Give one back, of a request that brought nothing."""
        self._taken -= 1
        self.wake()

    def wake(self) -> None:
        """Let as many go on as may."""
        while self._waiting and self._taken < self._most + self.acknowledged:
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled ones are gone
                turn.set_result(None)
                self._taken += 1


class Outbox:
    """Puts arrivals together that come in one turn of the loop: threads take turns less often."""

    def __init__(self, loop: asyncio.AbstractEventLoop, put: Put) -> None:
        self._loop, self._put = loop, put
        self._waiting: list[Arrival] = []

    def __call__(self, arrival: Arrival) -> None:
        """Put it with the others of this turn."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(arrival)

    def flush(self) -> None:
        """Put now what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._put(waiting)


@contextlib.contextmanager
def patient_collector() -> Iterator[None]:
    """Have Python look for garbage less often meanwhile.

    Requests begin and end in bunches, of some forty objects each; the collector takes every bunch
    for growth and looks through all that lives, a fifth of the time. None of it is garbage. What
    the user set, or a server in another thread, is left alone.
    """
    before = gc.get_threshold()
    if not 0 < before[0] < COLLECT:  # 0 is switched off
        yield
        return
    gc.set_threshold(COLLECT, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
