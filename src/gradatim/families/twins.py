"""Unsolvable twins: questions that may have no answer, where saying so is the right answer.

A kind draws pairs of instances of the same size that differ in one line: one has an answer, the
other has none (or not a single one, where one is asked for), which is proved when it is drawn.
Both use the same words, so nothing but the work shows which is which. An entry NAME.unsolvable
gives either with the chance of its knob `unsolvable`, half and half at every level: who always
says "unsolvable" gets half of them right, and that is the stated floor.

Ref: Xue et al. 2025, ReliableMath, arXiv:2507.03133: conditions removed or contradicted. Differs:
every twin is proved by exhaustion, rank or arithmetic, not by models and people.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gradatim.checkers import lists
from gradatim.checkers.abstention import UNSOLVABLE, abstention
from gradatim.checkers.extract import UNPARSED, Found, announced, extract, plain
from gradatim.checks import one_of
from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import PATIENCE, content_id, split_of
from gradatim.families.knobs import complete, resolve
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

SUFFIX = ".unsolvable"
LONGEST = 2000  # characters of an answer
_SPACES = re.compile(r"[\s,]+")
TRIES = 2000  # draws for one pair; kinds are set up so that a few are enough


class Instance(NamedTuple):
    """One member of a pair: the lines of the prompt between task and answer format.

    Attributes:
        plain: what tells instances apart where the body does not, as where names are drawn.
        write: what makes the whole instance of one that has nothing but `plain` yet: it is called
            for those that are kept.
    """

    body: str
    answer: str
    meta: Mapping[str, Any] = {}
    plain: str = ""
    write: Callable[[], "Instance"] | None = None


# a member of a pair, or what gives it: of a pair one member is asked for
Member = Instance | Callable[[], Instance]


class Kind(NamedTuple):
    """What one entry is made of.

    Attributes:
        pair: (stream, **knobs) -> (solvable, unsolvable) instances, or None for another try.
        task, form: the first and the last line of the prompt; {n} there is meta's.
        read: extracted answer -> its normal form, or None where it is none.
        right: (problem, normal form) -> whether it answers a solvable instance, from meta.
        judge: the same from the prompt, by other means; None where one answer is right.
        solve: prompt -> answer, by other means.
        guess: knobs -> chance of a well-formed guess on a solvable instance.
        space: knobs -> a number of instances that there are at least.
        work: knobs -> units of work of a full search.
        locate: (reply, problem) -> where its answer stands, which may take several lines.
    """

    name: str
    doc: str
    knobs: Mapping[str, Knob]
    levels: tuple[Mapping[str, int], ...]
    pair: Callable[..., tuple[Member, Member] | None]
    task: str
    form: str
    read: Callable[[Found, Problem], str | None]
    solve: Callable[[str], str]
    guess: Callable[[Mapping[str, Any]], float]
    space: Callable[[Mapping[str, Any]], int]
    work: Callable[[Mapping[str, Any]], float]
    unit: str
    right: Callable[[Problem, str], bool] | None = None
    judge: Callable[[str, str], bool] | None = None
    version: str = "1"
    locate: Callable[[str | None, Problem], Found] = lambda text, problem: extract(text)


def packed(allowed: str) -> Callable[[Found, Problem], str | None]:
    """Reads one of a few signs for each of meta's n, as "0110" or "1, 1, 0"."""

    def read(found: Found, problem: Problem) -> str | None:
        for part in (found.answer, announced(found.answer or "") if found.how == "line" else None):
            stated = _SPACES.sub("", plain(part or "")).upper()
            if stated and len(stated) == problem.meta["n"] and not stated.strip(allowed):
                return stated
        return None

    return read


def stated_list(found: Found, problem: Problem) -> str | None:
    """Reads whole numbers."""
    values = lists.parse(found.answer or "", how=found.how)
    return " ".join(map(str, values)) if values is not None else None


SHARE = Knob("percent of the problems that have no answer", 50, 0, 100)


def _pair(kind: Kind, stream: Stream, knobs: Mapping[str, Any]) -> tuple[Member, Member]:
    """Two instances that differ in one line; the first has an answer, the second has none."""
    for _ in range(TRIES):
        found = kind.pair(stream, **knobs)
        if found is not None:
            return found
    raise ArgumentError(
        f"`{kind.name}{SUFFIX}` {dict(knobs)} gave no pair in {TRIES} draws; use a ladder's knobs"
    )


def _draft(kind: Kind, member: Member, stream: Stream, *, unsolvable: bool) -> Draft:
    instance = member if isinstance(member, Instance) else member()
    canonical = instance.plain or "\n".join(sorted(instance.body.split("\n")))
    if not stream.wants(canonical):
        return Draft("", "", canonical)
    if instance.write is not None:
        instance = instance.write()
    form = kind.form.format(**instance.meta)
    return Draft(
        prompt=(
            f"{kind.task}\n{instance.body}\n{form} If there is no answer, write {UNSOLVABLE}. "
            "Write the answer and nothing else."
        ),
        answer=UNSOLVABLE if unsolvable else instance.answer,
        canonical=canonical,
        meta=instance.meta,
        unsolvable=unsolvable,
    )


def family(kind: Kind) -> Family:
    """The entry NAME.unsolvable of a kind."""

    def make(stream: Stream, *, unsolvable: int, **knobs: Any) -> Draft:
        pair = _pair(kind, stream, knobs)
        twin = stream.below(100) < unsolvable
        return _draft(kind, pair[twin], stream, unsolvable=twin)

    def check(problem: Problem, text: str | None) -> Verdict:
        if text == problem.answer:  # short replies by the hundred thousand: no parsing
            reason = "abstained" if problem.unsolvable else "correct"
            return Verdict(1.0, True, problem.answer, reason)
        found = kind.locate(text, problem)
        if found.answer is None or len(found.answer) > LONGEST:
            return UNPARSED
        said = abstention(problem, text)
        if said is not None:
            return said
        stated = kind.read(found, problem)
        if stated is None:
            return UNPARSED
        right = not problem.unsolvable and (
            kind.right(problem, stated) if kind.right else stated == problem.answer
        )
        return Verdict(float(right), right, stated, "correct" if right else "wrong")

    def judge(problem: Problem, answer: str) -> bool:
        assert kind.judge is not None
        prompt = str(problem.prompt)
        if answer == UNSOLVABLE:
            return kind.solve(prompt) == UNSOLVABLE
        return kind.judge(prompt, answer)

    def floor(knobs: Mapping[str, Any]) -> float:
        """The better of two blind ways: always "unsolvable", or a guess made of the right parts."""
        setting = complete(known, knobs)
        share = setting["unsolvable"] / 100
        return max(share, (1 - share) * kind.guess(setting))

    known = {**kind.knobs, "unsolvable": SHARE}
    return Family(
        name=f"{kind.name}{SUFFIX}",
        doc=kind.doc,
        version=kind.version,
        knobs=known,
        make=make,
        check=check,
        ladder=lambda level: {**kind.levels[level - 1], "unsolvable": 50},
        floor=floor,
        space=lambda knobs: kind.space(complete(known, knobs)),
        solve=lambda problem: kind.solve(str(problem.prompt)),
        effort=lambda problem: kind.work(complete(known, problem.knobs)),
        effort_unit=kind.unit,
        judge=judge if kind.judge else None,
    )


def names() -> list[str]:
    """The entries that have unsolvable twins.

    >>> "sat.unsolvable" in names()
    True
    """
    return [name for name in registry.names() if name.endswith(SUFFIX)]


def pairs(
    name: str, *, n: int, level: int = 1, seed: int = 0, split: str = "train"
) -> list[tuple[Problem, Problem]]:
    """Pairs (solvable, unsolvable) that differ in one line; both belong to the split.

    Args:
        name: an entry such as "sat.unsolvable".
        n: how many pairs.
        level: 1..10.
        seed, split: as for `generate`; ids depend on content alone, as there.

    Raises:
        ArgumentError: an unknown entry, level or split.

    >>> solvable, twin = pairs("arithmetic.unsolvable", n=1)[0]
    >>> twin.answer, twin.unsolvable, solvable.unsolvable
    ('unsolvable', True, False)
    """
    one_of("name", name, names())
    one_of("split", split, ("train", "test"))
    if isinstance(level, bool) or level not in range(1, 11):
        raise ArgumentError(f"`level` must be a whole number in [1, 10], got {level!r}")
    record = registry.get(name)
    knobs = resolve(record, record.ladder(level))
    out = []
    for i in range(n):
        names_of = ("twins", name, record.version, level, split, seed, i)
        first, second = next(_both(record, knobs, names_of, split))
        out.append((_problem(record, first, knobs, level), _problem(record, second, knobs, level)))
    return out


def _both(
    record: Family, knobs: dict[str, Any], names_of: tuple[object, ...], split: str
) -> Iterator[list[Draft]]:
    """Pairs of which both members belong to the split."""
    for redraw in range(PATIENCE):
        drafts = [
            record.make(Stream(*names_of, redraw), **{**knobs, "unsolvable": share})
            for share in (0, 100)
        ]
        if all(split_of(record.name, draft.canonical) == split for draft in drafts):
            yield drafts
    raise ArgumentError(f"`split` '{split}' of {record.name} gave no pair in {PATIENCE} draws")


def _problem(record: Family, draft: Draft, knobs: dict[str, Any], level: int) -> Problem:
    name, version = record.name, record.version
    return Problem(
        id=content_id(
            family=name, version=version, verifier=name, prompt=draft.prompt, answer=draft.answer
        ),
        prompt=draft.prompt,
        answer=draft.answer,
        family=name,
        verifier=name,
        version=version,
        level=level,
        knobs=knobs,
        unsolvable=draft.unsolvable,
        meta=draft.meta,
    )
