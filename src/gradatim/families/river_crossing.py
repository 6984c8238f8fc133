"""River crossing: actors and their agents cross in a small boat, no actor with a stranger's agent.

The classic takes everyone from the left bank to the right. Here any position that keeps the rules
may be the start, and any that can be reached from it the goal. Settings whose classic has no
plan are refused: four pairs and more with a boat for two, six and more with a boat for three.
Positions that differ by the names of the pairs or by a mirror only count as one instance.

Compact form: size of the boat, then for start and goal the bank (l, r) of actor and agent of each
pair and of the boat; crossings with a dot between: "c2lllllrrrrr=" -> "ab.a.AB.A.aA".

Ref: Shojaee et al. 2025, The Illusion of Thinking, arXiv:2506.06941. Differs: any start and goal,
and only settings that can be solved (theirs ask for plans of six pairs and a boat for three, where
a search of all positions finds none).
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from heapq import heappop, heappush
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

from gradatim.errors import ArgumentError
from gradatim.families import moves
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

ACTORS, AGENTS = "abcdefg", "ABCDEFG"
SOLVABLE = {2: 3, 3: 5}  # most pairs that a boat of this size takes across; larger boats: any
COMPACT = 4  # pairs up to which there is a compact form
SHIFT = 7  # actors are bits 0 to 6, agents bits 7 to 13
ONES = (1 << SHIFT) - 1

KNOBS = {
    "pairs": Knob("actors, each with an agent", 3, 1, 7),
    "boat": Knob("people that the boat takes", 2, 2, 5),
    "least": Knob("fewest crossings that a shortest plan may have", 1, 1, 40),
    "most": Knob("most crossings that a shortest plan may have", 40, 1, 40),
    "setup": Knob("positions: any, or the classic", "any", choices=("any", "classic")),
}

_SIZES = (  # pairs, boat, least, most
    *((3, 3, 1, 2), (3, 3, 3, 3), (4, 3, 4, 4), (4, 3, 5, 5), (5, 3, 6, 6)),
    *((5, 3, 7, 7), (5, 3, 8, 8), (5, 3, 9, 9), (7, 4, 9, 9), (7, 4, 10, 13)),
)
LADDER = {
    level: dict(zip(KNOBS, (*size, "any"), strict=True)) for level, size in enumerate(_SIZES, 1)
}

State = tuple[int, int]  # who is on the left bank, and where the boat is (0: left)


class _Table(NamedTuple):
    """What a start leads to: crossings needed, position before and group, number of ways."""

    start: State
    steps: dict[State, int]
    came: dict[State, tuple[State, int]]
    ways: dict[State, int]


def _safe(group: int) -> bool:
    """Whether no actor is with a stranger's agent unless the own agent is there."""
    agents = group >> SHIFT
    return not agents or not (group & ONES & ~agents)


@lru_cache(maxsize=32)
def _boats(pairs: int, boat: int) -> tuple[int, ...]:
    people = [1 << i for i in range(pairs)] + [1 << i + SHIFT for i in range(pairs)]
    groups = [sum(some) for size in range(1, boat + 1) for some in combinations(people, size)]
    return tuple(group for group in groups if _safe(group))


def _everyone(pairs: int) -> int:
    ones = (1 << pairs) - 1
    return ones | ones << SHIFT


@lru_cache(maxsize=1 << 14)
def _crossings(pairs: int, boat: int, state: State) -> tuple[tuple[State, int], ...]:
    left, side = state
    everyone = _everyone(pairs)
    here = everyone ^ left if side else left
    out = []
    for group in _boats(pairs, boat):
        if not group & ~here:
            after = left ^ group
            if _safe(after) and _safe(everyone ^ after):
                out.append(((after, 1 - side), group))
    return tuple(out)


def _searched(pairs: int, boat: int, start: State) -> _Table:
    steps, ways = {start: 0}, {start: 1}
    came: dict[State, tuple[State, int]] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for after, group in _crossings(pairs, boat, here):
            if after not in steps:
                steps[after], ways[after] = steps[here] + 1, 0
                came[after] = here, group
                queue.append(after)
            if steps[after] == steps[here] + 1:
                ways[after] += ways[here]
    return _Table(start, steps, came, ways)


@lru_cache(maxsize=32)
def _tables(pairs: int, boat: int) -> tuple[_Table, ...]:
    """One table for each kind of start: safe positions up to names, the boat on the left."""
    everyone = _everyone(pairs)
    kinds: dict[tuple[int, ...], int] = {}
    for bits in range(1 << 2 * pairs):
        left = bits & (1 << pairs) - 1 | bits >> pairs << SHIFT
        if _safe(left) and _safe(everyone ^ left):
            kinds.setdefault(tuple(sorted(_kind(left, pair) for pair in range(pairs))), left)
    return tuple(_searched(pairs, boat, (left, 0)) for left in kinds.values())


def _kind(left: int, pair: int) -> int:
    return (left >> pair & 1) * 2 + (left >> pair + SHIFT & 1)


Choice = tuple[_Table, tuple[State, ...]]


@lru_cache(maxsize=128)
def _choices(pairs: int, boat: int, within: range) -> tuple[Choice, ...]:
    """Tables with the goals that are so many crossings away."""
    found = []
    for table in _tables(pairs, boat):
        goals = tuple(goal for goal, number in table.steps.items() if number in within)
        if goals:
            found.append((table, goals))
    return tuple(found)


@lru_cache(maxsize=32)
def _longest(pairs: int, boat: int) -> int:
    return max(max(table.steps.values()) for table in _tables(pairs, boat))


def _chosen(setting: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Starts and goals of a setting; refuses what has no plan."""
    pairs, boat = setting["pairs"], setting["boat"]
    least, most = setting["least"], setting["most"]
    if pairs > SOLVABLE.get(boat, pairs):
        raise ArgumentError(
            f"`river_crossing.pairs` must be at most {SOLVABLE[boat]} with `boat` = {boat}, got "
            f"{pairs}: no plan exists, the boat is too small; take a larger boat or fewer pairs"
        )
    if setting["setup"] == "classic":
        start = _everyone(pairs), 0
        table = next(table for table in _tables(pairs, boat) if table.start == start)
        if not least <= table.steps[0, 1] <= most:
            raise ArgumentError(
                f"`river_crossing.setup` classic needs {table.steps[0, 1]} crossings here, "
                f"outside `least` = {least} and `most` = {most}; widen them"
            )
        return ((table, ((0, 1),)),)
    top = min(_longest(pairs, boat), most)
    if least > top:
        raise ArgumentError(
            f"`river_crossing.least` must be at most `most` = {most} and "
            f"{_longest(pairs, boat)}, the most that {pairs} pairs and a boat for {boat} can "
            f"need; got {least}"
        )
    return _choices(pairs, boat, range(least, top + 1))


def _people(group: int, names: list[int]) -> str:
    """Letters of a group, pairs renamed: actors, then agents."""
    actors = sorted(ACTORS[name] for i, name in enumerate(names) if group >> i & 1)
    agents = sorted(AGENTS[name] for i, name in enumerate(names) if group >> i + SHIFT & 1)
    return "".join(actors + agents)


def _shown(state: State, pairs: int, names: list[int]) -> str:
    left, right = _people(state[0], names), _people(_everyone(pairs) ^ state[0], names)
    return (
        f"left bank: {' '.join(left) or 'nobody'}; right bank: {' '.join(right) or 'nobody'}; "
        f"boat: {'right' if state[1] else 'left'}"
    )


def _canonical(start: State, goal: State, pairs: int) -> str:
    """Places of the pairs in any order, the boat starting on the left."""
    places = sorted(_kind(start[0], pair) * 4 + _kind(goal[0], pair) for pair in range(pairs))
    return f"{bytes(places).hex()} {goal[1]}"


def _plan(table: _Table, goal: State) -> list[int]:
    groups = []
    while goal != table.start:
        goal, group = table.came[goal]
        groups.append(group)
    return groups[::-1]


def _code(state: State, pairs: int, names: list[int]) -> str:
    bits = [
        (state[0] >> names.index(name) + shift) for name in range(pairs) for shift in (0, SHIFT)
    ]
    return "".join(["rl"[bit & 1] for bit in bits]) + "lr"[state[1]]


def make(stream: Stream, *, pairs: int, boat: int, **rest: Any) -> Draft:
    """Two safe positions, `least` to `most` crossings apart, and a shortest plan."""
    choices = _chosen({"pairs": pairs, "boat": boat, **rest})
    table, goals = stream.choice(choices)
    start, goal = table.start, stream.choice(goals)
    form = f"{boat} {_canonical(start, goal, pairs)}"
    if not stream.wants(form):
        return Draft("", "", form)
    groups = _plan(table, goal)
    names, everyone = list(range(pairs)), _everyone(pairs)
    if rest["setup"] == "any":
        stream.shuffle(names)
        if stream.below(2):
            start, goal = ((everyone ^ left, 1 - side) for left, side in (start, goal))
    plan = [_people(group, names) for group in groups]
    people = "; ".join(f"{AGENTS[i]} is the agent of {ACTORS[i]}" for i in range(pairs))
    here, there = _code(start, pairs, names), _code(goal, pairs, names)
    small = pairs <= COMPACT
    return Draft(
        prompt=(
            f"River crossing: {pairs} actors and their agents; {people}.\nThe boat takes 1 to "
            f"{boat} people across and never crosses empty. On either bank and in the boat, an "
            "actor must never be together with another actor's agent unless the actor's own agent "
            "is there too. People who arrive are on the bank at once.\n"
            f"Start: {_shown(start, pairs, names)}.\nGoal: {_shown(goal, pairs, names)}.\n"
            "Answer with the crossings in order, each as the letters of the people in the boat "
            "without spaces such as aA, separated by spaces, and nothing else."
        ),
        answer=" ".join(plan),
        canonical=form,
        compact=f"c{boat}{here}{there}=" if small else None,
        compact_answer=".".join(plan) if small else None,
        meta={"boat": boat, "start": here, "goal": there},
    )


def _state(code: str) -> State:
    left = 0
    for place, bank in enumerate(code[:-1]):
        left |= (bank == "l") << place // 2 + SHIFT * (place % 2)
    return left, int(code[-1] == "r")


def _begin(problem: Problem) -> tuple[int, int, int, int]:
    meta = problem.meta
    return *_state(meta["start"]), _everyone(len(meta["start"]) // 2), meta["boat"]


_BITS = {c: 1 << i for i, c in enumerate(ACTORS)} | {c: 1 << i + 7 for i, c in enumerate(AGENTS)}


def _step(state: tuple[int, int, int, int], move: str) -> tuple[int, int, int, int] | None:
    left, side, everyone, boat = state
    group = 0
    for letter in move:
        group |= _BITS[letter]
    here = everyone ^ left if side else left
    after = left ^ group
    if group & ~here or len(move) != group.bit_count() or len(move) > boat:
        return None
    if not (_safe(group) and _safe(after) and _safe(everyone ^ after)):
        return None
    return after, 1 - side, everyone, boat


GAME = moves.Game(
    patterns=(re.compile("[A-Ga-g]+"),),
    start=_begin,
    step=_step,
    done=lambda problem, state: state[:2] == _state(problem.meta["goal"]),
    written=re.compile("[A-Ga-g]+(?: [A-Ga-g]+)*"),
)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's crossings are safe and end in the goal; else which is the first illegal."""
    return moves.check(GAME, problem, text)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The crossings of a reply as steps, up to the first illegal one."""
    return moves.trace(GAME, problem, text)


def effort(problem: Problem) -> float:
    """Crossings of a shortest plan, by breadth-first search."""
    left, side, everyone, boat = _begin(problem)
    table = _searched(everyone.bit_count() // 2, boat, (left, side))
    return table.steps[_state(problem.meta["goal"])]


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


@lru_cache(maxsize=128)
def _facts(values: tuple[Any, ...]) -> tuple[float, int]:
    """Floor and space of a setting."""
    choices = _chosen(dict(zip(KNOBS, values, strict=True)))
    pairs, boat = values[:2]
    groups = sum(comb(2 * pairs, size) for size in range(1, boat + 1))
    chance, kinds = 0.0, set()
    for table, goals in choices:
        right = sum(table.ways[goal] / groups ** table.steps[goal] for goal in goals)
        chance += right / len(goals) / len(choices)
        kinds.update(_canonical(table.start, goal, pairs) for goal in goals)
    return chance, len(kinds)


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of as many crossings as needed, each any group that fits the boat: exact mean."""
    return _facts(tuple(complete(KNOBS, knobs).values()))[0]


def space(knobs: Mapping[str, Any]) -> int:
    """Pairs of positions `least` to `most` crossings apart, up to names and mirror: exact.

    >>> space({"pairs": 3, "boat": 2, "setup": "classic"})
    1
    """
    return _facts(tuple(complete(KNOBS, knobs).values()))[1]


Banks = tuple[frozenset[str], bool]


def _parsed(prompt: str) -> tuple[int, list[Banks], frozenset[str]]:
    """Boat size, start and goal (who is on the left, boat on the right), and everyone."""
    size = re.search(r"takes 1 to (\d+)", prompt)
    assert size is not None
    found: list[Banks] = []
    everyone: frozenset[str] = frozenset()
    for line in prompt.split("\n"):
        if line.startswith(("Start: ", "Goal: ")):
            left, right = (re.sub("nobody", "", side) for side in re.findall("bank: ([^;]*)", line))
            everyone = frozenset(f"{left} {right}".split())
            found.append((frozenset(left.split()), "boat: right" in line))
    return int(size[1]), found, everyone


def _quiet(people: frozenset[str]) -> bool:
    """Whether every actor of a group is alone among actors, or with the own agent."""
    strangers = any(one.isupper() for one in people)
    return all(one.isupper() or one.upper() in people for one in people) or not strangers


def _after(banks: Banks, group: frozenset[str], everyone: frozenset[str]) -> Banks | None:
    left, right_boat = banks
    moved = left | group if right_boat else left - group
    sides = (moved, everyone - moved, group)
    return (moved, not right_boat) if all(map(_quiet, sides)) else None


def solve(problem: Problem) -> str:
    """A plan from the prompt's text alone: positions with fewest people out of place first."""
    size, (start, goal), everyone = _parsed(str(problem.prompt))
    plans = {start: ""}
    heap = [(0, 0, start)]
    while goal not in plans:
        here = heappop(heap)[2]
        bank = sorted(everyone - here[0] if here[1] else here[0])
        for number in range(size, 0, -1):
            for group in combinations(bank, number):
                after = _after(here, frozenset(group), everyone)
                if after is not None and after not in plans:
                    plans[after] = f"{plans[here]} {''.join(group)}"
                    heappush(heap, (len(after[0] ^ goal[0]), len(plans), after))
    return plans[goal].strip()


def judge(problem: Problem, answer: str) -> bool:
    """Whether crossings keep the prompt's rules and lead from its start to its goal."""
    size, (here, goal), everyone = _parsed(str(problem.prompt))
    for crossing in answer.split(" "):
        group = frozenset(crossing)
        bank = everyone - here[0] if here[1] else here[0]
        if not group or not group <= bank or len(crossing) > size or len(group) < len(crossing):
            return False
        after = _after(here, group, everyone)
        if after is None:
            return False
        here = after
    return here == goal


FAMILY = Family(
    name="river_crossing",
    doc="actors and agents cross a river, no actor with a stranger's agent",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="crossings of a shortest plan",
    judge=judge,
)
