"""Satisfiability after SATURN: l clauses of n literals over k letters, planted satisfiable.

An instance is a planted assignment (uniform) and l different clauses, uniform among the clauses
that it satisfies. Any satisfying assignment is right. Instances are told apart by their set of
clauses; the same set under other letters counts as another instance.

Compact form: letters, capital for true and small for negated, clauses one after the other without
separators, each of n letters: "f4AbCd=" asks for (A or not B) and (C or not D). The answer taught
to small models is the satisfying assignment with most true literals, ties to the smallest: a rule
that can be learned, where a random planted assignment cannot.

Ref: Liu et al. 2025, SATURN, arXiv:2505.16368. Differs: every clause that the planted assignment
satisfies can be drawn (no cap on clause pools), and the number of models is known.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from math import comb, log2
from typing import Any

import numpy as np

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.families.sat_solver import read, search
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COMPACT = 12  # letters up to which there is a compact form
LONGEST = 1000  # characters of a reply's final line
COUNTED = 16  # letters up to which models are counted
KEPT = 14  # letters up to which the models of single clauses are remembered

LADDER = {
    1: {"literals": 2, "variables": 4, "clauses": 4},
    2: {"literals": 2, "variables": 4, "clauses": 5},
    3: {"literals": 2, "variables": 5, "clauses": 6},
    4: {"literals": 2, "variables": 5, "clauses": 8},
    5: {"literals": 2, "variables": 6, "clauses": 9},
    6: {"literals": 2, "variables": 6, "clauses": 10},
    7: {"literals": 2, "variables": 7, "clauses": 12},
    8: {"literals": 2, "variables": 8, "clauses": 13},
    9: {"literals": 2, "variables": 8, "clauses": 14},
    10: {"literals": 2, "variables": 9, "clauses": 16},
}

KNOBS = {
    "literals": Knob("literals of a clause (SATURN's n)", 2, 1, 5),
    "variables": Knob("letters (SATURN's k)", 5, 1, 26),
    "clauses": Knob("clauses (SATURN's l)", 6, 1, 200),
}

_SPACES = re.compile(r"[\s,]+")


def saturn_difficulty(n: int, k: int, l: int) -> float:  # noqa: E741 - the paper's letters
    """SATURN's difficulty of (n, k, l): log2 k + 2 log2 l - n + k/n.

    Ref: Liu et al. 2025, arXiv:2505.16368.

    >>> saturn_difficulty(2, 4, 4)
    6.0
    """
    return log2(k) + 2 * log2(l) - n + k / n


def _clauses_left(n: int, k: int, l: int) -> int:  # noqa: E741
    """How many clauses an assignment satisfies: every variable set, every sign but the worst."""
    if n > k:
        raise ArgumentError(f"`sat.literals` must be at most `sat.variables` = {k}, got {n}")
    most = comb(k, n) * (2**n - 1)
    if l > most:
        raise ArgumentError(
            f"`sat.clauses` must be at most {most}, all that one assignment satisfies "
            f"with {n} literals and {k} variables; got {l}"
        )
    return most


@lru_cache(maxsize=64)
def tuples(n: int, k: int) -> list[tuple[int, ...]]:
    """The sets of n of k variables, in order."""
    return list(combinations(range(k), n))


@lru_cache(maxsize=32)
def _masks(k: int) -> dict[str, int]:
    """For each literal, the set of assignments that make it true, as bits of one integer.

    Bit i stands for the assignment whose 0/1 text is i in binary, first letter leading.
    """
    table = {}
    full = (1 << (1 << k)) - 1
    for v in range(k):
        run = 1 << (k - 1 - v)  # runs of that many zeros and ones alternate
        true = full // ((1 << run) + 1) << run
        table[LETTERS[v]] = true
        table[LETTERS[v].lower()] = full ^ true
    return table


def _models_of(clause: str, k: int) -> int:
    table, some = _masks(k), 0
    for literal in clause:
        some |= table[literal]
    return some


_kept_models = lru_cache(maxsize=1 << 13)(_models_of)


def models(clauses: Iterable[str], k: int) -> int:
    """The satisfying assignments, as bits of one integer."""
    of = _kept_models if k <= KEPT else _models_of
    left = (1 << (1 << k)) - 1
    for clause in clauses:
        left &= of(clause, k)
    return left


@lru_cache(maxsize=16)
def _bits(k: int) -> np.ndarray:
    """(assignment, variable) int32, the digits of each assignment."""
    shifts = np.arange(k - 1, -1, -1)
    return ((np.arange(1 << k)[:, None] >> shifts) & 1).astype(np.int32)


def _votes(clauses: list[str], k: int) -> list[int]:
    text = "".join(clauses)
    return [text.count(LETTERS[v]) - text.count(LETTERS[v].lower()) for v in range(k)]


def best(clauses: list[str], k: int, satisfying: int) -> str:
    """The model with most true literals, ties to the smallest."""
    votes = _votes(clauses, k)
    wish = "".join("1" if vote > 0 else "0" for vote in votes)
    if satisfying >> int(wish, 2) & 1:  # nothing has more true literals, nothing as good is smaller
        return wish
    raw = satisfying.to_bytes(max(1, (1 << k) // 8), "little")
    true = np.flatnonzero(np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little"))
    scores = _bits(k)[true] @ np.array(votes, np.int32)
    return format(int(true[scores.argmax()]), f"0{k}b")


@lru_cache(maxsize=1 << 14)
def words(clause: str) -> str:
    """A clause as a line of the prompt.

    >>> words("aC")
    'not A or C'
    """
    return " or ".join(c if c.isupper() else f"not {c.upper()}" for c in clause)


@lru_cache(maxsize=1 << 14)
def _because(clause: str, literal: str) -> str:
    return f"{words(clause)}: {words(literal)}"


@lru_cache(maxsize=1 << 13)
def _false(assignment: str) -> str:
    """The literals that an assignment makes false."""
    pairs = zip(LETTERS, assignment, strict=False)
    return "".join([c.lower() if bit == "1" else c for c, bit in pairs])


@lru_cache(maxsize=1 << 14)
def _clause(n: int, k: int, code: int) -> str:
    """The clause of a set of variables and the bits of those negated, first of them leading."""
    variables = tuples(n, k)[code >> n]
    signs = format(code & (1 << n) - 1, f"0{n}b")
    pairs = zip(variables, signs, strict=True)
    return "".join(LETTERS[v] if sign == "0" else LETTERS[v].lower() for v, sign in pairs)


def make(stream: Stream, *, literals: int, variables: int, clauses: int) -> Draft:
    """One planted instance; `meta` carries its clauses and, up to 16 letters, its model count."""
    most = _clauses_left(literals, variables, clauses)
    planted = stream.below(1 << variables)
    drawn = stream.sample(range(most), clauses)
    return _draft(literals, variables, planted, drawn)


def _draft(n: int, k: int, planted: int, drawn: list[int]) -> Draft:
    """The instance of an assignment and the numbers of some clauses that it satisfies."""
    values = format(planted, f"0{k}b")
    sets, agreeing, bits = tuples(n, k), (1 << n) - 1, list(map(int, values))
    codes = []
    for index in drawn:
        which, pattern = divmod(index, agreeing)
        pattern += 1  # bit i: literal i agrees with the planted assignment; at least one does
        code = which
        for v in sets[which]:
            code = code << 1 | (bits[v] ^ pattern & 1)
            pattern >>= 1
        codes.append(code)
    codes.sort()  # by letters, then capitals first
    clauses = [_clause(n, k, code) for code in codes]
    meta: dict[str, Any] = {"clauses": " ".join(clauses)}
    meta["saturn"] = round(saturn_difficulty(n, k, len(clauses)), 6)
    answer = values
    if k <= COUNTED:
        satisfying = models(clauses, k)
        meta["models"] = satisfying.bit_count()
        answer = best(clauses, k, satisfying)
    letters = ", ".join(LETTERS[:k])
    listed = "\n".join(map(words, clauses))
    code = str(k) if k < 10 else "tuv"[k - 10] if k <= COMPACT else ""
    false = "".join([
        c.lower() if bit == "1" else c for c, bit in zip(LETTERS, answer, strict=False)
    ])
    because = "\n".join([_because(c, c.lstrip(false)[0]) for c in clauses])
    return Draft(
        prompt=(
            f"Give each of the letters {letters} the value 0 (false) or 1 (true) so that every "
            f"line below is true. A line is true when at least one of its parts is.\n{listed}\n"
            f"Answer with the values of {letters} in this order, as digits without spaces, "
            "and nothing else."
        ),
        answer=answer,
        canonical=f"{k}: {meta['clauses']}",
        compact=f"f{code}{''.join(clauses)}=" if k <= COMPACT else None,
        compact_answer=answer if k <= COMPACT else None,
        solution=f"{because}\n{answer}",
        meta=meta,
    )


def _satisfies(clauses: str, assignment: str) -> bool:
    false = _false(assignment)  # a clause of these letters alone is false
    return "" not in [clause.strip(false) for clause in clauses.split(" ")]


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply satisfies every clause; not exactly k digits 0 or 1 is `unparsed`."""
    return check_digits(problem.meta["clauses"], len(problem.answer), text)


def check_digits(clauses: str, k: int, text: str | None) -> Verdict:
    """Whether a reply gives k letters values that satisfy every clause."""
    if not isinstance(text, str):
        return UNPARSED
    stated = text
    if len(text) != k or text.strip("01"):  # compact replies skip the search for the answer
        found = extract(text)
        if found.answer is None or len(found.answer) > LONGEST:
            return UNPARSED
        stated = _SPACES.sub("", plain(found.answer))
        if found.how == "line" and stated.strip("01"):
            stated = _SPACES.sub("", announced(found.answer) or "")
        if len(stated) != k or stated.strip("01"):
            return UNPARSED
    if _satisfies(clauses, stated):
        return Verdict(1.0, True, stated, "correct")
    return Verdict(0.0, False, stated, "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def _expected_models(n: int, k: int, l: int) -> tuple[int, int]:  # noqa: E741
    """Mean number of models of an instance as a fraction (numerator, denominator).

    An assignment at distance d from the planted one fails the clauses whose n variables touch the
    d that differ: C(k, n) - C(k - d, n) of the C that the planted one satisfies. It is a model
    if none of the l drawn without replacement is among them.
    """
    most = _clauses_left(n, k, l)
    total = 0
    for d in range(k + 1):
        failed = comb(k, n) - comb(k - d, n)
        total += comb(k, d) * comb(most - failed, l)
    return total, comb(most, l)


def _sizes(knobs: Mapping[str, Any]) -> tuple[int, int, int]:
    setting = complete(KNOBS, knobs)
    return setting["literals"], setting["variables"], setting["clauses"]


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that a random assignment satisfies: sum over d of C(k,d)/2^k C(C-F(d),l)/C(C,l).

    C = C(k,n)(2^n - 1) clauses are satisfied by the planted assignment, F(d) = C(k,n) - C(k-d,n)
    of them fail at distance d from it. Exact for the mean over instances.

    >>> floor({"literals": 1, "variables": 2, "clauses": 2})  # one model of four
    0.25
    """
    n, k, l = _sizes(knobs)  # noqa: E741
    total, drawn = _expected_models(n, k, l)
    return total / (drawn << k)


def _satisfiable_sets(clauses: list[int], l: int, models: int) -> int:  # noqa: E741
    if l == 0:
        return 1
    count = 0
    for i in range(len(clauses) - l + 1):
        left = models & clauses[i]
        if left:
            count += _satisfiable_sets(clauses[i + 1 :], l - 1, left)
    return count


def _all_clauses(n: int, k: int) -> Iterator[int]:
    table = _masks(k)
    for which in tuples(n, k):
        for pattern in range(1 << n):
            some = 0
            for i, v in enumerate(which):
                some |= table[LETTERS[v] if pattern >> i & 1 else LETTERS[v].lower()]
            yield some


@lru_cache(maxsize=256)
def _space(n: int, k: int, l: int) -> int:  # noqa: E741
    most = _clauses_left(n, k, l)
    clauses = comb(k, n) * 2**n
    if l < 2**n:  # fewer clauses than a contradiction needs
        return comb(clauses, l)
    if comb(clauses, l) <= 50_000:
        return _satisfiable_sets(list(_all_clauses(n, k)), l, (1 << (1 << k)) - 1)
    total, drawn = _expected_models(n, k, l)
    return -(-(2**k) * comb(most, l) * drawn // total)  # rounded up


def space(knobs: Mapping[str, Any]) -> int:
    """Number of satisfiable sets of l different clauses: exact where small, else a lower bound.

    Exact if l < 2^n (all sets are satisfiable) or if there are at most 50,000 sets (counted).
    Otherwise 2^k C(C,l) / E[M], with E[M] the mean number of models of an instance: each
    satisfiable set s occurs with chance M(s) / (2^k C(C,l)), so their number is
    2^k C(C,l) E[1/M], and E[1/M] >= 1/E[M] (Jensen).
    """
    return _space(*_sizes(knobs))


def vote(problem: Problem) -> str:
    """Each letter by the majority of its signs: what a model that reads no clauses can reach."""
    clauses = problem.meta["clauses"].split()
    return "".join("1" if v > 0 else "0" for v in _votes(clauses, len(problem.answer)))


def solve(problem: Problem) -> str:
    """A satisfying assignment from the prompt's text alone, by CaDiCaL, else by trying all.

    Raises:
        MissingExtra: python-sat is not installed and there are 20 letters or more.
    """
    digits = search(*read(str(problem.prompt)))
    if digits is None:
        raise ArgumentError(f"`problem` {problem.id} has no satisfying assignment")
    return digits


def judge(problem: Problem, answer: str) -> bool:
    """Whether digits make every line of the prompt true, read from the prompt alone."""
    k, clauses = read(str(problem.prompt))
    if len(answer) != k or set(answer) - {"0", "1"}:
        return False
    return all(any((answer[abs(x) - 1] == "1") == (x > 0) for x in clause) for clause in clauses)


def effort(problem: Problem) -> float:
    """Random assignments until one satisfies, on average: 2^k over the number of models.

    Above 16 letters, where models are not counted, the mean number of models of such instances.
    """
    k, clauses = read(str(problem.prompt))
    if k > COUNTED:
        total, drawn = _expected_models(len(clauses[0]), k, len(clauses))
        return (drawn << k) / total
    letters = [[LETTERS[x - 1] if x > 0 else LETTERS[-x - 1].lower() for x in c] for c in clauses]
    return (1 << k) / models(["".join(c) for c in letters], k).bit_count()


FAMILY = Family(
    name="sat",
    doc="an assignment that satisfies every clause (SATURN)",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="random assignments tried until one satisfies, on average",
    judge=judge,
)
