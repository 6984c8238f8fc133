"""Progress of long work: one line on stderr with counts, figures and an honest ETA."""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Tick(NamedTuple):
    """One report: `done` of `total` (0 = unknown) of `stage`, and figures worth seeing."""

    stage: str
    done: float
    total: float
    figures: dict[str, Any] = {}


Progress = Callable[[Tick], None]


def silent(tick: Tick) -> None:
    """Report nothing."""


def clock(seconds: float) -> str:
    """Seconds for people.

    >>> clock(7), clock(75), clock(3700)
    ('7s', '1m15s', '1h01m')
    """
    s = round(seconds)
    if s < 60:
        return f"{s}s"
    return f"{s // 60}m{s % 60:02d}s" if s < 3600 else f"{s // 3600}h{s % 3600 // 60:02d}m"


def lines(every: float = 2.0) -> Progress:
    """A reporter that writes lines to stderr: in place on a terminal, else one per `every` s.

    The ETA extrapolates the mean pace of the stage so far.
    """
    started: dict[str, tuple[float, float]] = {}  # stage -> time and count at its first tick
    last: dict[str, float] = {}
    in_place = sys.stderr.isatty()

    def report(tick: Tick) -> None:
        now = time.monotonic()
        begin, base = started.setdefault(tick.stage, (now, tick.done))
        finished = tick.total > 0 and tick.done >= tick.total
        if not finished and now - last.get(tick.stage, -1e9) < (0.2 if in_place else every):
            return
        last[tick.stage] = now
        text = f"{tick.stage}: {tick.done:,.0f}"
        if tick.total:
            text += f"/{tick.total:,.0f}"
            pace = (tick.done - base) / (now - begin) if now > begin else 0
            if finished:
                text += f" in {clock(now - begin)}"
            elif pace > 0:
                text += f" eta {clock((tick.total - tick.done) / pace)}"
        text += "".join(
            f" {k} {v:.3g}" if isinstance(v, float) else f" {k} {v}"
            for k, v in tick.figures.items()
        )
        if in_place:
            sys.stderr.write("\r\x1b[K" + text + ("\n" if finished else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    return report
