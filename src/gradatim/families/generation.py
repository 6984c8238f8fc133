"""Problems of a family on demand: the same ids on every platform, train and test kept apart.

Item i is drawn from a stream named by family, version, knobs, split, seed and i, so it does not
depend on how many are asked for, nor on who asks first. Whether an instance belongs to train or
to test is decided by its content; what falls on the other side is drawn again.
"""

import operator
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

from gradatim.checks import one_of
from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.knobs import resolve
from gradatim.files import dumps
from gradatim.rng import Stream, digest, joined
from gradatim.types import Draft, Family, Message, Problem

SPLITS = ("train", "test")
LEVELS = range(1, 11)
TEST = 64  # of 256 values of a hash: what is test
UNSPLIT = 50  # spaces below this many instances serve both splits
ENUMERATED = 1_000_000  # spaces up to this many are walked, not drawn from, when unique
PATIENCE = 10_000  # draws in a row that bring nothing new before a space counts as exhausted


class _Setting(NamedTuple):
    """One point of the ladder, with all that its items share.

    Attributes:
        stream: (index, redraw) -> the stream of a draw.
        keeps: canonical form -> whether it belongs to the split, see `split_of`.
        content: a hash of what the ids of its items begin with.
    """

    family: Family
    level: int | None
    knobs: dict[str, Any]
    names: tuple[object, ...]
    space: int
    split: str
    seed: int
    stream: Callable[..., Stream]
    keeps: Callable[[str], bool]
    content: blake2b

    @property
    def unsplit(self) -> bool:
        return self.space < UNSPLIT


class _Open:
    """A problem while it is written: its slots, and not yet frozen, which costs ten times less."""

    __slots__ = Problem.__slots__


def content_id(
    *, family: str, version: str, verifier: str, prompt: str | tuple[Message, ...], answer: str
) -> str:
    """Id of a problem: 20 hex digits, a hash of its content.

    >>> content_id(family="", version="1", verifier="text", prompt="1 + 1?", answer="2")
    '60e1c02911851f74bb9d'
    """
    return digest("problem", family, version, verifier, _hashed(prompt), answer, size=10).hex()


def _hashed(prompt: str | tuple[Message, ...]) -> str:
    """The text that stands for a prompt in an id: a chat's is its canonical JSON."""
    if isinstance(prompt, str):
        return prompt
    with suppress(KeyError, TypeError):  # what `dumps` gives, at a quarter of its cost
        parts = [f'{{"content":{quoted(m["content"])},"role":{quoted(m["role"])}}}' for m in prompt]
        if {*map(len, prompt)} == {2}:
            return f"[{','.join(parts)}]"
    try:
        return dumps([dict(m) for m in prompt])
    except (TypeError, ValueError):
        raise ArgumentError(
            f"`prompt` must be a text or a tuple of chat messages, got {prompt!r:.60}"
        ) from None


def split_of(family: str, canonical: str) -> str:
    """The split that an instance belongs to: a quarter of all content is test.

    >>> split_of("lists", "sort: 3 1 4")
    'train'
    """
    return "test" if digest("split", family, canonical, size=1)[0] < TEST else "train"


def _keeper(family: str, split: str) -> Callable[[str], bool]:
    """`split_of` for many instances of one family; the last answers are remembered.

    A family that asks its stream what is wanted hears what is asked again when it is done.
    """
    head = blake2b(joined(("split", family)), digest_size=1)
    wanted = split == "test"

    @lru_cache(maxsize=2)
    def keeps(canonical: str) -> bool:
        hashed = head.copy()
        hashed.update(joined((canonical,)))
        return (hashed.digest()[0] < TEST) == wanted

    return keeps


def _whole(value: Any) -> int | None:
    """A whole number as Python's own (numpy's would name other streams); None if it is none."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _levels(level: int | Iterable[int] | None) -> list[int | None]:
    if level is None:
        return [None]
    given: list[Any] = [level]
    if isinstance(level, Iterable) and not isinstance(level, str):
        given = list(level)
    wanted: list[int | None] = []
    for one in given:
        number = _whole(one)
        if one is not None and number not in LEVELS:
            raise ArgumentError(f"`level` must be whole numbers in [1, 10], got {one!r}")
        wanted.append(number)
    if not wanted:
        raise ArgumentError("`level` must name at least one level, got none")
    return wanted


def _setting(
    family: Family, level: int | None, given: dict[str, Any], *, split: str, seed: int
) -> _Setting:
    base = family.ladder(level) if level is not None else {}
    knobs = resolve(family, base | given)
    names = (family.name, family.version, dumps(knobs))
    space = family.space(knobs)
    keeps = (lambda canonical: True) if space < UNSPLIT else _keeper(family.name, split)
    head = joined(("problem", family.name, family.version, family.name))
    return _Setting(
        *(family, level, knobs, names, space, split, seed),
        stream=Stream.branch("family", *names, split, seed, wants=keeps),
        keeps=keeps,
        content=blake2b(head, digest_size=10),
    )


def _finish(setting: _Setting, draft: Draft) -> Problem:
    family = setting.family
    hashed = setting.content.copy()  # content_id of name, version, verifier
    hashed.update(joined((_hashed(draft.prompt), draft.answer)))
    made: Any = _Open()
    made.id = hashed.hexdigest()
    made.prompt = draft.prompt
    made.answer = draft.answer
    made.family = made.verifier = family.name
    made.version = family.version
    made.level = setting.level
    made.knobs = setting.knobs
    made.split = setting.split
    made.seed = setting.seed
    made.compact = draft.compact
    made.compact_answer = draft.compact_answer
    made.solution = draft.solution
    made.unsolvable = draft.unsolvable
    made.meta = {**draft.meta, "unsplit": True} if setting.unsplit else draft.meta
    made.__class__ = Problem
    return made


def instance(family: Family, level: int, *names: object) -> Problem:
    """The item that a stream of these names gives at a level, of whichever split.

    What never varies may not reach the split that `generate` is asked for; this shows it.
    """
    setting = _setting(family, level, {}, split="", seed=0)
    return _finish(setting, family.make(Stream(*names), **setting.knobs))


def _drawn(setting: _Setting, index: int, seen: Container[str] = ()) -> Draft | None:
    """The first candidate for item `index` that is of the wanted split and was not seen."""
    make, knobs, stream, keeps = setting.family.make, setting.knobs, setting.stream, setting.keeps
    for redraw in range(PATIENCE):
        draft = make(stream(index, redraw), **knobs)
        if keeps(draft.canonical) and draft.canonical not in seen:
            return draft
    return None


def _count(setting: _Setting, found: int) -> str:
    """Instances of both splits; a stated space may be a lower bound, as what was found is."""
    return f"{setting.space:,}" if setting.family.nth else f"at least {max(setting.space, found):,}"


def _walk(setting: _Setting) -> Iterator[Draft]:
    """The split's instances of a small space, each once, in an order that the seed decides."""
    nth = setting.family.nth
    assert nth is not None
    stream = Stream("order", *setting.names, setting.seed)
    moved: dict[int, int] = {}  # a shuffle that touches only the places it has reached
    for i in range(setting.space):
        j = i + stream.below(setting.space - i)
        draft = nth(moved.get(j, j), **setting.knobs)
        moved[j] = moved.pop(i, i)
        if setting.keeps(draft.canonical):
            yield draft


def _unique(turns: list[_Setting], n: int) -> Iterator[tuple[_Setting, Draft]]:
    seen: set[str] = set()
    walks: dict[tuple[object, ...], Iterator[Draft]] = {}
    for i in range(n):
        setting = turns[i % len(turns)]
        walked = setting.family.nth is not None and setting.space <= ENUMERATED
        if walked:
            candidates = walks.setdefault(setting.names, _walk(setting))
            draft = next((d for d in candidates if d.canonical not in seen), None)
        else:
            draft = _drawn(setting, i, seen)
        if draft is None:
            at = f" at level {setting.level}" if setting.level is not None else ""
            have = _have(turns, setting, i)
            raise ArgumentError(
                f"`n` = {n} asks for more different {setting.family.name} problems than there "
                f"are: {have:,} {'exist' if walked else 'were found'}{at} in split "
                f"'{setting.split}' ({_count(setting, have)} in both); ask for fewer or widen the "
                "knobs"
            )
        seen.add(draft.canonical)
        yield setting, draft


def _have(turns: list[_Setting], setting: _Setting, i: int) -> int:
    """How many items of a setting came before item i: all there are, when a walk has ended."""
    return sum(turns[j % len(turns)].names == setting.names for j in range(i))


def generate(
    family: str | Family,
    *,
    n: int,
    level: int | Iterable[int] | None = None,
    seed: int = 0,
    split: str = "train",
    unique: bool = False,
    **knobs: Any,
) -> list[Problem]:
    """Problems of a family.

    Args:
        family: a name (`gradatim families` lists them) or a Family.
        n: how many.
        level: 1 (easiest) .. 10, or several: item i has level[i mod len]. None: default knobs.
        seed: any whole number; two seeds share an instance only by chance.
        split: "train" or "test"; no instance is in both, except in spaces of fewer than 50
            instances, which are not split and say so in `meta["unsplit"]`.
        unique: no instance twice.
        knobs: replace the level's.

    Raises:
        ArgumentError: an unknown family, level, split or knob, a value out of range, or more
            unique problems than exist.

    >>> [p.answer for p in generate("lists", n=2, level=1, operation="sort")]
    ['2 3 4', '0 3 6']
    """
    record = registry.get(family) if isinstance(family, str) else family
    if not isinstance(record, Family):
        raise ArgumentError(f"`family` must be a name or a Family, got {family!r}")
    one_of("split", split, SPLITS)
    wanted, start = _whole(n), _whole(seed)
    if wanted is None or wanted < 0:
        raise ArgumentError(f"`n` must be a whole number of at least 0, got {n!r}")
    if start is None:
        raise ArgumentError(f"`seed` must be a whole number, got {seed!r}")
    turns = [_setting(record, one, knobs, split=split, seed=start) for one in _levels(level)]
    if unique:
        return [_finish(setting, draft) for setting, draft in _unique(turns, wanted)]
    out = []
    for i in range(wanted):
        setting = turns[i % len(turns)]
        draft = _drawn(setting, i)
        if draft is None:
            raise ArgumentError(
                f"`split` '{split}' of {record.name} {setting.knobs} gave nothing in {PATIENCE} "
                f"draws; the space holds {_count(setting, 0)} instances: widen the knobs"
            )
        out.append(_finish(setting, draft))
    return out
