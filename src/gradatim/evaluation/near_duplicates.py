"""Which texts are the same, or nearly? Axes: `text`, `pair` (two texts), `shingle`.

A shingle is a run of words; two texts are alike by the share of shingles they have in common.
"""

import itertools
import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradatim import checks

WORDS = 3  # of a shingle
BANDS, ROWS = 16, 4  # of the sketch: texts alike by .8 miss each other once in 4,000 pairs
NUMBER = "0"  # in place of every number of a template
CROWD = 50  # texts of one band that are compared pair by pair; of more, each with its neighbours
_NUMBER = re.compile(r"(?<![^\W_])\d+(?:[.,]\d+)*")  # but not the 17 of x17, which is a name
_PIECES = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[^\w\s]", re.UNICODE)


class Pairs(NamedTuple):
    """Texts that are alike.

    Attributes:
        first, second: (pair,) int, texts, first < second.
        alike: (pair,) shared shingles over all of both, 1 where the words are the same; of texts
            with other numbers, whatever these are.
        numbers: (pair,) bool, the same numbers in the same order; if not, both are of one template.
    """

    first: np.ndarray
    second: np.ndarray
    alike: np.ndarray
    numbers: np.ndarray


def pieces(text: str) -> list[str]:
    """Words, numbers and signs of a text, whatever its case, spaces and full stops.

    >>> pieces("What is  3.5 + X?")
    ['what', 'is', '3.5', '+', 'x']
    """
    return [p for p in _PIECES.findall(text.casefold()) if p not in ".,;:?!"]


def near_duplicates(texts: Sequence[str], *, least: float = 0.8) -> Pairs:
    """Pairs of texts that share at least a share of their shingles.

    Args:
        texts: any.
        least: of `alike`, in [0.5, 1].

    Returns:
        Pairs in order; of many equal texts each with the next one.

    Ref: Broder 1997, On the resemblance and containment of documents (shingles and min-wise
    sketches); bands: Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, section 3.4.

    >>> found = near_duplicates(["Add 2 and 3.", "Sort the list 5 1 4", "add 2  and 3"])
    >>> found.first.tolist(), found.second.tolist(), found.alike.tolist()
    ([0], [2], [1.0])
    """
    checks.within(0.5, 1, least=least)
    words = [pieces(text) for text in texts]
    numbers = [[p for p in part if p[0].isdigit()] for part in words]
    found = _similar(words, least)
    masked = [pieces(_NUMBER.sub(NUMBER, text)) for text in texts]
    for (i, j), alike in (_similar(masked, least) if masked != words else {}).items():
        if numbers[i] != numbers[j]:
            found[i, j] = alike
    pairs = sorted(found)
    return Pairs(
        np.array([i for i, _ in pairs], dtype=int),
        np.array([j for _, j in pairs], dtype=int),
        np.array([found[pair] for pair in pairs], dtype=float),
        np.array([numbers[i] == numbers[j] for i, j in pairs], dtype=bool),
    )


def _similar(words: Sequence[Sequence[str]], least: float) -> dict[tuple[int, int], float]:
    """Pairs of texts, the earlier first, and how alike they are."""
    shingles = [_shingles(part) for part in words]
    found: dict[tuple[int, int], float] = {}
    whole: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, part in enumerate(words):
        if part:
            whole[tuple(part)].append(at)
    for group in whole.values():
        found.update(dict.fromkeys(itertools.pairwise(group), 1.0))
    alone = [group[0] for group in whole.values()]
    for i, j in _candidates([shingles[at] for at in alone]):
        pair = (alone[i], alone[j])
        alike = _alike(shingles[pair[0]], shingles[pair[1]])
        if alike >= least:
            found[min(pair), max(pair)] = alike
    return found


def _shingles(words: Sequence[str]) -> np.ndarray:
    """Sorted different hashes of runs of words; of a text shorter than a run, the text."""
    codes = np.array([zlib.crc32(word.encode("utf-8", "replace")) for word in words], np.uint64)
    if len(codes) == 0:
        return codes
    size = min(WORDS, len(codes))
    made = np.zeros(len(codes) - size + 1, dtype=np.uint64)
    for at in range(size):
        made = _mixed(made * np.uint64(0x9E3779B97F4A7C15) + codes[at : len(made) + at])
    return np.unique(made)


def _mixed(x: np.ndarray) -> np.ndarray:
    """A hash of 64 bits (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _candidates(shingles: Sequence[np.ndarray]) -> set[tuple[int, int]]:
    """Pairs of texts whose sketches agree in a band."""
    held = [at for at, found in enumerate(shingles) if len(found)]
    if len(held) < 2:
        return set()
    flat = np.concatenate([shingles[at] for at in held])
    starts = np.cumsum([0, *(len(shingles[at]) for at in held[:-1])])
    found: set[tuple[int, int]] = set()
    for band in range(BANDS):
        rows = [
            np.minimum.reduceat(_mixed(flat + np.uint64(0x9E37 * (band * ROWS + row + 1))), starts)
            for row in range(ROWS)
        ]
        buckets: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, key in zip(held, zip(*(row.tolist() for row in rows), strict=True), strict=True):
            buckets[key].append(at)
        for group in buckets.values():
            reach = len(group) if len(group) <= CROWD else 4
            for i, one in enumerate(group):
                found.update((one, other) for other in group[i + 1 : i + 1 + reach])
    return found


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
