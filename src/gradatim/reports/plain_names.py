"""Names of solvers as a terminal shows them: no two alike, none longer than a line holds."""

import unicodedata
from collections.abc import Mapping
from typing import Any

LONGEST, TAIL = 60, 12
KEYS = ("first", "second", "solver", "name")  # of rows that name a solver
LISTS = ("best", "failed", "better", "worse")  # of names


def plain_name(name: str) -> str:
    r"""A name without what nobody sees: quoted if blanks are at its ends, shortened in the middle.

    >>> plain_name("a"), plain_name(" a"), plain_name("a\u200b")
    ('a', "' a'", 'a\\u200b')
    >>> plain_name("x" * 3000)[-31:]
    'xx...xxxxxxxxxxxx (3,000 signs)'
    """
    shown = "".join(
        f"\\u{ord(sign):04x}" if unicodedata.category(sign) == "Cf" else sign for sign in name
    )
    if name != name.strip() or not name:
        shown = f"'{shown}'"
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[: LONGEST - TAIL - 3]}...{shown[-TAIL:]} ({len(name):,} signs)"


def plain_names(found: Mapping[str, Any]) -> dict[str, Any]:
    """What `compare` returned with all names of solvers as they are shown.

    Where two would then be alike, both get their number among the solvers.
    """
    names = [one["name"] for one in found["solvers"]]
    shown = [plain_name(name) for name in names]
    if names == shown:
        return dict(found)
    said = {
        name: one if shown.count(one) == 1 else f"{one} #{number}"
        for number, (name, one) in enumerate(zip(names, shown, strict=True), start=1)
    }
    return _renamed(found, said)


def _renamed(value: Any, said: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(one, said) for one in value]
    if not isinstance(value, Mapping):
        return value
    told = {}
    for key, one in value.items():
        if key in KEYS and isinstance(one, str):
            told[key] = said.get(one, one)
        elif key in LISTS and isinstance(one, list):
            told[key] = [said.get(name, name) for name in one]
        else:
            told[key] = _renamed(one, said)
    return told
