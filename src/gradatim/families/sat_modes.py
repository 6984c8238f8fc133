"""Two more questions on satisfiability: is there an assignment at all, and 3-SAT where it is hard.

`sat.decide`: a set of different clauses, uniform among those that are satisfiable (half of the
items) or among those that are not (the other half), at the number of clauses where as many are the
one as the other, so that their number tells nothing. All assignments are tried to prove it; the
solver proves it again. The answer is an assignment, or "unsatisfiable", a right answer like any
other here.

`sat.ratio3`: three literals a clause and 4.26 clauses a letter, planted satisfiable: near the ratio
at which random 3-SAT turns from satisfiable to unsatisfiable.

Ref: Mitchell, Selman and Levesque 1992, Hard and easy distributions of SAT problems; Crawford and
Auton 1996, Experimental results on the crossover point in random 3-SAT (4.26). Differs: ratio3 is
planted, which makes models a little more frequent than among all satisfiable sets.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from math import comb
from typing import Any

from gradatim.checkers.abstention import says_unsolvable
from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.families import sat
from gradatim.families.knobs import complete
from gradatim.families.sat_solver import read, search
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

RATIO = 4.26
UNSAT = "unsatisfiable"
COMPACT = 48  # characters up to which sat.decide has a compact form

_SIZES = ((2, 4), (2, 5), (3, 5), (3, 6), (3, 7), (3, 8), (3, 9), (3, 10), (3, 11), (3, 12))
DECIDE_LADDER = {
    level: {"literals": n, "variables": k} for level, (n, k) in enumerate(_SIZES, start=1)
}
DECIDE_KNOBS = {
    "literals": Knob("literals of a clause", 2, 2, 3),
    "variables": Knob("letters", 5, 4, 14),
}
_LETTERS = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
RATIO_LADDER = {level: {"variables": _LETTERS[level - 1]} for level in range(1, 11)}
RATIO_KNOBS = {"variables": Knob("letters; there are 4.26 clauses for each", 8, 4, 26)}


def _even(n: int, k: int) -> int:
    """How many clauses make about half of all sets satisfiable (measured for k = 4 .. 12)."""
    return round(1.75 * k + 1.7) if n == 2 else round(4.6 * k + 1.5)


@lru_cache(maxsize=32)
def _clauses(n: int, k: int) -> list[str]:
    """All clauses, in the order in which they are listed."""
    return [
        "".join(sat.LETTERS[v] if positive else sat.LETTERS[v].lower() for v, positive in pairs)
        for which in sat.tuples(n, k)
        for signs in product((True, False), repeat=n)
        for pairs in [list(zip(which, signs, strict=True))]
    ]


@lru_cache(maxsize=32)
def _models(n: int, k: int) -> list[int]:
    """For each clause the assignments that satisfy it, as bits of one integer."""
    return [sat.models((clause,), k) for clause in _clauses(n, k)]


def make_decide(stream: Stream, *, literals: int, variables: int) -> Draft:
    """A set of clauses, satisfiable or not by a coin."""
    every, l = _clauses(literals, variables), _even(literals, variables)  # noqa: E741
    models_of, numbers = _models(literals, variables), range(len(every))
    wanted = bool(stream.below(2))
    while True:
        drawn = stream.sample(numbers, l)
        models = -1
        for i in drawn:
            models &= models_of[i]
        if bool(models) == wanted:
            break
    clauses = [every[i] for i in sorted(drawn)]
    answer = sat.best(clauses, variables, models) if models else UNSAT
    letters = ", ".join(sat.LETTERS[:variables])
    short = f"d{variables}{''.join(clauses)}="
    small = variables <= 9 and len(short) <= COMPACT
    return Draft(
        prompt=(
            f"Can each of the letters {letters} be given the value 0 (false) or 1 (true) so that "
            "every line below is true? A line is true when at least one of its parts is.\n"
            + "\n".join(map(sat.words, clauses))
            + f"\nAnswer with such values of {letters} in this order, as digits without spaces, or "
            f"with the word {UNSAT} if there are none, and nothing else."
        ),
        answer=answer,
        canonical=f"{variables}: {' '.join(clauses)}",
        compact=short if small else None,
        compact_answer=(answer if models else "u") if small else None,
        meta={
            "clauses": " ".join(clauses),
            "variables": variables,
            "models": models.bit_count(),
            "saturn": round(sat.saturn_difficulty(literals, variables, l), 6),
        },
    )


def _says_none(text: str) -> bool:
    return says_unsolvable(text) or text == "u"


def check_decide(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply satisfies every clause, or says rightly that nothing does."""
    found = extract(text)
    if found.answer is None or len(found.answer) > sat.LONGEST:
        return UNPARSED
    stated = plain(found.answer)
    told = announced(found.answer) if found.how == "line" else None
    if _says_none(stated) or (told is not None and _says_none(told)):
        right = problem.meta["models"] == 0
        return Verdict(float(right), right, UNSAT, "correct" if right else "wrong")
    return sat.check_digits(problem.meta["clauses"], problem.meta["variables"], text)


def decide_floor(knobs: Mapping[str, Any]) -> float:
    """Chance of always saying that there is none: half of the items."""
    complete(DECIDE_KNOBS, knobs)
    return 0.5


def decide_space(knobs: Mapping[str, Any]) -> int:
    """At least as many as there are satisfiable sets of that many clauses."""
    setting = complete(DECIDE_KNOBS, knobs)
    n, k = setting["literals"], setting["variables"]
    return sat.space({"literals": n, "variables": k, "clauses": _even(n, k)})


@lru_cache(maxsize=4096)
def _decided(prompt: str) -> str:
    k, clauses = read(prompt)
    return search(k, clauses) or UNSAT


def solve_decide(problem: Problem) -> str:
    """An assignment from the prompt's text alone, or a proof that there is none, by CaDiCaL."""
    return _decided(str(problem.prompt))


def judge_decide(problem: Problem, answer: str) -> bool:
    """Whether an answer is right: by CaDiCaL, or by the prompt's own lines."""
    if answer == UNSAT:
        return solve_decide(problem) == UNSAT
    return sat.judge(problem, answer)


def decide_effort(problem: Problem) -> float:
    """Nodes of backtracking for all models; a clause is checked when its letters are set."""
    k, clauses = read(str(problem.prompt))
    due: list[list[list[int]]] = [[] for _ in range(k + 1)]
    for clause in clauses:
        due[max(map(abs, clause))].append(clause)
    nodes, stack = 0, [(0, 0)]
    while stack:
        depth, true = stack.pop()  # bit v of `true`: letter v is true
        nodes += 1
        holds = all(any((true >> abs(x) & 1) == (x > 0) for x in c) for c in due[depth])
        if holds and depth < k:
            stack += [(depth + 1, true), (depth + 1, true | 1 << depth + 1)]
    return float(nodes)


def _ratio(knobs: Mapping[str, Any]) -> dict[str, int]:
    k = complete(RATIO_KNOBS, knobs)["variables"]
    return {"literals": 3, "variables": k, "clauses": min(round(RATIO * k), 7 * comb(k, 3))}


def make_ratio(stream: Stream, *, variables: int) -> Draft:
    """One planted instance; too many clauses for a compact form."""
    draft = sat.make(stream, **_ratio({"variables": variables}))
    return draft._replace(compact=None, compact_answer=None)


DECIDE = Family(
    name="sat.decide",
    doc="an assignment that satisfies every clause, or that there is none",
    version="1",
    knobs=DECIDE_KNOBS,
    make=make_decide,
    check=check_decide,
    ladder=lambda level: dict(DECIDE_LADDER[level]),
    floor=decide_floor,
    space=decide_space,
    solve=solve_decide,
    effort=decide_effort,
    effort_unit="nodes of backtracking for all models",
    judge=judge_decide,
)
RATIO3 = Family(
    name="sat.ratio3",
    doc="3-SAT near the ratio at which it turns unsatisfiable",
    version="1",
    knobs=RATIO_KNOBS,
    make=make_ratio,
    check=sat.check,
    ladder=lambda level: dict(RATIO_LADDER[level]),
    floor=lambda knobs: sat.floor(_ratio(knobs)),
    space=lambda knobs: sat.space(_ratio(knobs)),
    solve=sat.solve,
    effort=sat.effort,
    effort_unit="random assignments tried until one satisfies, on average",
    judge=sat.judge,
)
