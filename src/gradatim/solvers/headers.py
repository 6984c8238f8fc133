"""What headers of a response say: how long to wait, what is used up, which request it was.

Pure functions on a mapping whose names may be in any case, as servers and proxies send them.
"""

import datetime
import email.utils
import math
import re
import time
from collections.abc import Mapping

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LEFT = re.compile(r"(?:[a-z]+-)*ratelimit-(?:[a-z]+-)*remaining(?:-[a-z]+)*")
EPOCH = 1e8  # a number beyond this is a moment (seconds since 1970), not a span


def asked_wait(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a refusal asks for: `retry-after-ms`, or Retry-After in seconds or as a date.

    >>> asked_wait({"Retry-After-Ms": "250", "Retry-After": "1"})
    0.25
    """
    low = {name.lower(): value for name, value in headers.items()}
    try:
        return max(0.0, float(low["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        return _until(low.get("retry-after"), now)


def dry_for(headers: Mapping[str, str], now: float | None = None) -> float:
    """Seconds until a limit that is used up (`x-ratelimit-remaining-...: 0`) is reset; else 0.

    Names are those of OpenAI, Anthropic and the IETF draft: anything-ratelimit-...-remaining-...
    with a reset of the same name, as a span (6m0s, 20ms), seconds, a moment or a date.

    >>> dry_for({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0.5s"})
    60.5
    """
    longest = 0.0
    low: dict[str, str] | None = None
    for name, value in headers.items():
        if "atelimit" not in name.lower():
            continue
        name = name.lower()
        if not _LEFT.fullmatch(name) or value.strip() not in ("0", "0.0"):
            continue
        low = low or {n.lower(): v for n, v in headers.items()}
        longest = max(longest, _until(low.get(name.replace("remaining", "reset")), now) or 0.0)
    return longest


def request_id(headers: Mapping[str, str]) -> str:
    """The server's own name of a request, for its operator's log; "" where it gives none."""
    found = headers.get("X-Request-Id") or headers.get("x-request-id") or ""
    return found[:80] if found.isprintable() else ""


def _until(value: str | None, now: float | None) -> float | None:
    """Seconds until a moment or for a span; None where it cannot be read."""
    value = (value or "").strip()
    if not value:
        return None
    now = time.time() if now is None else now
    spans = _SPAN.findall(value)
    if spans and "".join(number + unit for number, unit in spans) == value:
        return sum(float(number) * _UNITS[unit] for number, unit in spans)
    try:
        seconds = float(value)
    except ValueError:
        moment = _date(value)
        return None if moment is None else max(0.0, moment - now)
    if seconds > EPOCH:
        seconds = (seconds / 1000 if seconds > EPOCH * 1000 else seconds) - now
    return None if math.isnan(seconds) else max(0.0, seconds)


def _date(value: str) -> float | None:
    for read in (email.utils.parsedate_to_datetime, datetime.datetime.fromisoformat):
        try:
            return read(value).timestamp()
        except ValueError:
            continue
    return None
