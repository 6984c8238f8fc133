"""Numbers in a compact form: "12 -7 3/4" is "12.m7.3d4", for policies that read few characters."""

import re

from gradatim.checkers.extract import Found, announced, plain

LONGEST = 20_000  # characters; longer is no answer that anyone asked for
_ONE = re.compile(r"m?[0-9]{1,400}(?:d[0-9]{1,400})?")
_UNPACK = str.maketrans({"m": "-", "d": "/"})


def packed(text: str) -> str:
    """Numbers separated by spaces or commas, in their compact form.

    >>> packed("12, -7"), packed("-3/4")
    ('12.m7', 'm3d4')
    """
    return text.replace(",", "").replace(" ", ".").replace("-", "m").replace("/", "d")


def unpacked(found: Found, count: int | None) -> list[str] | None:
    """The numbers of a compact answer as an extraction found it; None where it is none.

    Ask only where the usual reading found nothing: "15.0" is one number to people.

    Args:
        found: the extraction.
        count: how many there must be; None for any number of them.

    >>> unpacked(Found("12.m7", "line"), 2), unpacked(Found("12 or m7", "line"), 2)
    (['12', '-7'], None)
    >>> unpacked(Found("The answer is m3d4.", "line"), 1)
    ['-3/4']
    """
    text = found.answer
    if text is None or len(text) > LONGEST:
        return None
    for part in (plain(text), announced(text) if found.how == "line" else None):
        numbers = part.split(".") if part is not None else []
        if ((numbers and count is None) or len(numbers) == count) and all(
            _ONE.fullmatch(n) for n in numbers
        ):
            return [n.translate(_UNPACK) for n in numbers]
    return None
