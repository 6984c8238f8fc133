"""Training markers: attributes of a lesson written before it, left out at random.

A marked prompt shows some of its lesson's markers and the reply begins with all of them, so a
policy learns to do as it is told and to infer the rest; a rare kind of reply can be asked for.
Some lessons are plain, and prompts without any mark keep working. Axes: `lesson`, `marker`.

Ref: Treasure Hunt, D'souza et al. 2025, arXiv:2506.14702. Only its abstract was at hand: ours are
how markers are written and dropped, their place in the reply, and the plain lessons.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError

END = "."  # between markers and text; the tiny policy's alphabet has it


class Dropped(NamedTuple):
    """Which markers are seen.

    Attributes:
        plain: (lesson,) bool, neither prompt nor reply is marked.
        shown: (lesson, marker) bool, whether a marked prompt shows the marker.
    """

    plain: np.ndarray
    shown: np.ndarray


class Marked(NamedTuple):
    """A text and the markers before it, by name."""

    markers: dict[str, str]
    text: str


def drop_markers(
    n_lessons: int,
    n_markers: int,
    *,
    rng: np.random.Generator,
    plain: float = 0.3,
    each: float = 0.3,
) -> Dropped:
    """Draw which lessons are plain and which markers the prompts of the others show.

    Args:
        n_lessons, n_markers: sizes.
        rng: of the draws.
        plain: chance of a lesson to have no markers at all.
        each: chance of each marker to be left out of a marked prompt.

    >>> drop_markers(2, 3, rng=np.random.default_rng(0), plain=1).plain
    array([ True,  True])
    """
    checks.whole(0, 1e12, n_lessons=n_lessons, n_markers=n_markers)
    checks.within(0, 1, plain=plain, each=each)
    alone = rng.random(n_lessons) < plain
    return Dropped(alone, rng.random((n_lessons, n_markers)) >= each)


def write_markers(markers: Mapping[str, str], text: str) -> str:
    """The text after its markers, each of which is one character; without any, after END alone.

    Args:
        markers: name -> value.
        text: prompt or reply.

    Raises:
        ArgumentError: a value that is no single character, or END.

    >>> write_markers({"difficulty": "H", "length": "S"}, "s132=")
    'HS.s132='
    """
    for name, value in markers.items():
        if len(value) != 1 or value == END:
            raise ArgumentError(
                f"marker '{name}' must be one character other than '{END}', got '{value}'"
            )
    return "".join(markers.values()) + END + text


def read_markers(text: str, values: Mapping[str, str]) -> Marked:
    """Undo `write_markers`; a text that begins otherwise has no markers.

    Args:
        text: prompt or reply.
        values: name -> the characters that it may have; no character belongs to two names.

    >>> kinds = {"difficulty": "EH", "length": "SL"}
    >>> read_markers("HS.1.23", kinds)
    Marked(markers={'difficulty': 'H', 'length': 'S'}, text='1.23')
    >>> read_markers("12.3", kinds)
    Marked(markers={}, text='12.3')
    """
    owner = {value: name for name, allowed in values.items() for value in allowed}
    if len(owner) != sum(map(len, values.values())):
        raise ArgumentError(f"`values` must not hold a character twice, got {dict(values)}")
    head, end, rest = text.partition(END)
    found = {owner[mark]: mark for mark in head if mark in owner}
    return Marked(found, rest) if end and len(found) == len(head) else Marked({}, text)


def mark_lessons(
    prompts: Sequence[str],
    replies: Sequence[str],
    markers: Sequence[Mapping[str, str]],
    dropped: Dropped,
) -> tuple[list[str], list[str]]:
    """Marked prompts and replies, in the order of the lessons.

    Args:
        prompts, replies: (lesson,) texts.
        markers: (lesson,) name -> value, with the same names in the same order in all.
        dropped: of `drop_markers`.

    Raises:
        ArgumentError: other lengths, or lessons with other markers than the first.

    >>> one = Dropped(np.array([False]), np.array([[False, True]]))
    >>> mark_lessons(["3+4="], ["7"], [{"difficulty": "E", "length": "S"}], one)
    (['S.3+4='], ['ES.7'])
    """
    names = tuple(markers[0]) if markers else ()
    odd = next((m for m in markers if tuple(m) != names), None)
    if odd is not None:
        raise ArgumentError(f"every lesson must have the markers {names}, got {tuple(odd)}")
    sizes = {"replies": len(replies), "markers": len(markers), "dropped": len(dropped.plain)}
    for name, size in sizes.items():
        if size != len(prompts):
            raise ArgumentError(f"`{name}` must be one for each of {len(prompts)} prompts")
    if markers and dropped.shown.shape != (len(prompts), len(names)):
        raise ArgumentError(f"`dropped` must know {len(names)} markers of each lesson")
    asked, said = list(prompts), list(replies)
    for i in np.flatnonzero(~dropped.plain).tolist():
        seen = zip(markers[i].items(), dropped.shown[i].tolist(), strict=True)
        asked[i] = write_markers(dict(pair for pair, show in seen if show), prompts[i])
        said[i] = write_markers(markers[i], replies[i])
    return asked, said
