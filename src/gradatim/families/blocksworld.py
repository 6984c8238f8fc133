"""Blocksworld: rebuild stacks of blocks with one hand, by pick-up, put-down, stack and unstack.

Any legal plan that ends in the goal is right. Goals are any stacks, one stack, or one stack in the
order of the alphabet (mode `blocksworld.lexicographic`). In `blocksworld.mystery` the same rules
stand under unrelated words, so that nothing but the stated rules helps. Instances that differ
by the names of the blocks only count as one.

Compact form: stacks of the start and the goal from bottom to top, then two letters for an action,
a block and what it leaves or lands on, 0 for the table; takes and puts alternate:
"bab.c+a.cb=" -> "babc" (unstack b a, stack b c).

Ref: Stechly et al. 2024, Chain of Thoughtlessness, arXiv:2405.04776; Valmeekam et al. 2023,
PlanBench, arXiv:2206.10498. Fewest moves: Gupta and Nau 1992, On the complexity of blocks-world
planning, Artificial Intelligence 56 (a block that can go to its last place goes there at once).
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import factorial
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families import moves
from gradatim.families.knobs import complete, mode
from gradatim.families.stacks import (
    LETTERS,
    Move,
    Stacks,
    below,
    canonical,
    count,
    fewest,
    greedy,
    out_of_place,
    pair_of,
    random_stacks,
)
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

COMPACT = 5  # blocks up to which there is a compact form

KNOBS = {
    "blocks": Knob("number of blocks", 4, 3, 16),
    "least": Knob("fewest blocks that are out of place at the start, at most `blocks`", 2, 1, 16),
    "goal": Knob("shape of the goal", "any", choices=("any", "one_stack", "lexicographic")),
    "names": Knob("words for actions and facts", "plain", choices=("plain", "mystery")),
}

LADDER = {
    level: {"blocks": level + 3, "least": level + 2, "goal": "any", "names": "plain"}
    for level in range(1, 11)
}

_PLAIN = ("pick-up", "put-down", "stack", "unstack")
_MYSTERY = ("praise", "forget", "wake", "paint")

_RULES = {
    "plain": """Blocks {names} stand in stacks on a table. A hand holds one block at most. Actions:
pick-up X: take X from the table into the empty hand; nothing may be on X.
put-down X: put X from the hand on the table.
stack X Y: put X from the hand on Y; nothing may be on Y.
unstack X Y: take X, which is on Y, into the empty hand; nothing may be on X.
Start, stacks from bottom to top, the hand is empty: {start}.
Goal, stacks from bottom to top, the hand is empty: {goal}.
""",
    "mystery": """There are things {names} and facts about them. An action is possible when all \
that it needs is true; then what it ends is no longer true, and what it starts is.
praise X: needs calm X, open X, peace; ends calm X, open X, peace; starts loud X.
forget X: needs loud X; ends loud X; starts calm X, open X, peace.
wake X Y: needs loud X, open Y; ends loud X, open Y; starts trusts X Y, open X, peace.
paint X Y: needs trusts X Y, open X, peace; ends trusts X Y, open X, peace; starts loud X, open Y.
Start, all that is true: {start}.
Goal, all that must be true: {goal}.
""",
}


def _facts(stacks: Stacks, whole: bool) -> str:
    """A position in the words of the mystery; tops and the free hand only where it is whole."""
    facts = []
    for pile in stacks:
        names = [LETTERS[x] for x in pile]
        facts.append(f"calm {names[0]}")
        facts += [f"trusts {b} {a}" for a, b in itertools.pairwise(names)]
        facts += [f"open {names[-1]}"] * whole
    return ", ".join(facts + ["peace"] * whole)


def _spoken(word: str, high: str) -> list[list[str]]:
    """What is done with each block at each place, the table last, so that place -1 finds it."""
    return [[*(f"{high} {x} {y}" for y in LETTERS), f"{word} {x}"] for x in LETTERS]


_WORDS = {"plain": _PLAIN, "mystery": _MYSTERY}
_TAKEN = {names: _spoken(words[0], words[3]) for names, words in _WORDS.items()}
_PUT = {names: _spoken(words[1], words[2]) for names, words in _WORDS.items()}
_SHORT = [[f"{x}{y}".lower() for y in f"{LETTERS}0"] for x in LETTERS]


def _text(plan: list[Move], names: str) -> str:
    take, put = _TAKEN[names], _PUT[names]
    steps = [f"{take[block][source]}, {put[block][to]}" for block, source, to in plan]
    return ", ".join(steps)


def _short(plan: list[Move]) -> str:
    return "".join([_SHORT[block][place] for block, *places in plan for place in places])


def _spaced(piles: list[str]) -> str:
    return "; ".join([" ".join(pile) for pile in piles])


def _need(setting: Mapping[str, Any]) -> None:
    if setting["least"] > setting["blocks"]:
        raise ArgumentError(
            f"`blocksworld.least` must be at most `blocks` = {setting['blocks']}, got "
            f"{setting['least']}: take more blocks"
        )


def make(stream: Stream, *, blocks: int, least: int, goal: str, names: str) -> Draft:
    """Two positions with at least `least` blocks out of place, and a plan."""
    _need({"blocks": blocks, "least": least})
    start = end = ()
    pair = pair_of([], [])
    while out_of_place(pair) < least:
        start = end = random_stacks(stream, blocks)
        if goal == "any":
            end = random_stacks(stream, blocks)
        else:
            order = list(range(blocks))[::-1]
            if goal == "one_stack":
                stream.shuffle(order)
            end = (tuple(order),)
        pair = pair_of(below(start, blocks), below(end, blocks))
    form = canonical(pair)
    if not stream.wants(form):
        return Draft("", "", form)
    plan = greedy(pair)
    letters = sorted(["".join([LETTERS[x] for x in pile]) for pile in start])
    wanted = sorted(["".join([LETTERS[x] for x in pile]) for pile in end])
    if names == "mystery":
        shown = {"start": _facts(start, True), "goal": _facts(end, False)}
    else:
        shown = {"start": _spaced(letters), "goal": _spaced(wanted)}
    small = blocks <= COMPACT and names == "plain"
    meta = {"start": ".".join(letters), "goal": ".".join(wanted)}
    return Draft(
        prompt=_RULES[names].format(names=", ".join(LETTERS[:blocks]), **shown)
        + "Answer with the actions in order, separated by commas, and nothing else.",
        answer=_text(plan, names),
        canonical=form,
        compact=f"b{meta['start']}+{meta['goal']}=".lower() if small else None,
        compact_answer=_short(plan) if small else None,
        meta=meta,
    )


_INDEX = {letter: i for i, letter in enumerate(LETTERS)}


def _position(code: str) -> list[int]:
    on, lower = [-1] * (len(code) - code.count(".")), -1
    for letter in code:
        if letter == ".":
            lower = -1
        else:
            block = _INDEX[letter]
            on[block], lower = lower, block
    return on


HAND = -2  # where a held block is


def _begin(problem: Problem) -> tuple[list[int], list[int]]:
    on = _position(problem.meta["start"])
    return on, [-1]  # what each block is on, what the hand holds


# every action as (is it a take, block, what it leaves or lands on: -1 for the table)
_ACTIONS = {
    table[block][place]: (take, block, place)
    for take, tables in ((True, _TAKEN), (False, _PUT))
    for table in tables.values()
    for block in range(len(LETTERS))
    for place in range(-1, len(LETTERS))
}


def _step(state: tuple[list[int], list[int]], move: str) -> tuple[list[int], list[int]] | None:
    on, hand = state
    take, block, other = _ACTIONS[move]
    if block >= len(on) or other >= len(on):
        return None
    if take:
        if hand[0] >= 0 or block in on or on[block] != other:
            return None
        on[block], hand[0] = HAND, block
    else:
        if hand[0] != block or other == block or (other >= 0 and other in on):
            return None
        on[block], hand[0] = other, -1
    return state


@lru_cache(maxsize=1 << 12)
def _spelled(move: str) -> str:
    words = re.sub(r"(?i)pick[- ]?up", "pick-up", re.sub(r"(?i)put[- ]?down", "put-down", move))
    word, first, *rest = words.split()
    return " ".join([word.lower(), first.upper(), *[name.upper() for name in rest[-1:]]])


def _form(plan: list[str]) -> list[str]:
    if len(plan[0]) > 2:
        return [_spelled(move) for move in plan]
    flat, high = _PLAIN[:2], _PLAIN[3:1:-1]  # takes at even places, puts at odd ones
    return [
        f"{flat[i % 2]} {move[0].upper()}"
        if move[1] == "0"
        else f"{high[i % 2]} {' '.join(move.upper())}"
        for i, move in enumerate(plan)
    ]


_ACTION = "(?:(?:pick-up|put-down|praise|forget) [A-P]|(?:stack|unstack|wake|paint) [A-P] [A-P])"
GAME = moves.Game(
    patterns=(
        re.compile(
            r"(?i)\b(?:(?:pick[- ]?up|put[- ]?down|praise|forget) [A-P]\b"
            r"|(?:stack|unstack|wake|paint) [A-P] (?:on |from )?[A-P]\b)"
        ),
        re.compile("[a-p][a-p0]"),
    ),
    start=_begin,
    step=_step,
    done=lambda problem, state: state[0] == _position(problem.meta["goal"]),
    form=_form,
    joint=", ",
    written=re.compile(f"{_ACTION}(?:, {_ACTION})*"),
)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's actions are legal and end in the goal; else which is the first illegal."""
    return moves.check(GAME, problem, text)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The actions of a reply as steps, up to the first illegal one."""
    return moves.trace(GAME, problem, text)


def effort(problem: Problem) -> float:
    """Actions of a shortest plan: two for each block that is moved.

    Ref: Gupta and Nau 1992, Artificial Intelligence 56.
    """
    return 2 * len(fewest(_position(problem.meta["start"]), _position(problem.meta["goal"])))


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of `least` moves, each any block to any place, in one of their orders: an estimate."""
    setting = complete(KNOBS, knobs)
    return factorial(setting["least"]) / setting["blocks"] ** (2 * setting["least"])


def space(knobs: Mapping[str, Any]) -> int:
    """Pairs of positions, `least` blocks or more out of place, up to names: exact or a lower bound.

    >>> space({"blocks": 3, "least": 3, "goal": "one_stack"})
    6
    """
    setting = complete(KNOBS, knobs)
    _need(setting)
    return count(setting["blocks"], setting["least"], setting["goal"] == "any")


_RULE = re.compile(r"^(\S+) X(?: Y)?: needs (.*); ends (.*); starts (.*)\.$", re.MULTILINE)
_SAME = """pick-up X: needs calm X, open X, peace; ends calm X, open X, peace; starts loud X.
put-down X: needs loud X; ends loud X; starts calm X, open X, peace.
stack X Y: needs loud X, open Y; ends loud X, open Y; starts trusts X Y, open X, peace.
unstack X Y: needs trusts X Y, open X, peace; ends trusts X Y, open X, peace; starts loud X, open Y.
"""


def _read(prompt: str) -> tuple[set[str], set[str], list[tuple[str, ...]]]:
    """Facts of start and goal, and the actions with their needs, ends and starts."""
    lines = [
        line.split(": ")[1][:-1] for line in prompt.split("\n") if line[:4] in ("Star", "Goal")
    ]
    rules = _RULE.findall(prompt) or _RULE.findall(_SAME)
    if "things" in prompt:
        start, goal = (set(line.split(", ")) for line in lines)
        return start, goal, rules
    facts: list[set[str]] = []
    for line in lines:
        piles = [pile.split() for pile in line.split("; ")]
        facts.append({f"trusts {b} {a}" for p in piles for a, b in itertools.pairwise(p)})
        facts[-1] |= {f"calm {pile[0]}" for pile in piles}
    start = facts[0] | {f"open {pile.split()[-1]}" for pile in lines[0].split("; ")} | {"peace"}
    return start, facts[1], rules


def _filled(facts: str, names: list[str]) -> set[str]:
    filled = dict(zip("XY", names, strict=False))
    return {" ".join(filled.get(word, word) for word in fact.split()) for fact in facts.split(", ")}


def judge(problem: Problem, answer: str) -> bool:
    """Whether actions are possible by the prompt's rules, fact by fact, and reach its goal."""
    facts, goal, rules = _read(str(problem.prompt))
    effects = {rule[0]: rule[1:] for rule in rules}
    for action in answer.split(", "):
        word, *names = action.split(" ")
        if word not in effects or len(names) != 1 + ("Y" in "".join(effects[word])):
            return False
        needs, ends, starts = (_filled(part, names) for part in effects[word])
        if not needs <= facts:
            return False
        facts = facts - ends | starts
    return goal <= facts


def solve(problem: Problem) -> str:
    """A plan from the prompt's text alone: all blocks to the table, then the goal from below."""
    facts, goal, rules = _read(str(problem.prompt))
    take, drop, put, lift = (rule[0] for rule in rules)
    held = [fact.split()[1:] for fact in facts if fact.startswith("trusts")]
    plan = []
    while held:
        x, y = next(pair for pair in sorted(held) if all(pair[0] != lower for _, lower in held))
        held.remove([x, y])
        plan += [f"{lift} {x} {y}", f"{drop} {x}"]
    ready = {fact.split()[1] for fact in goal if fact.startswith("calm")}
    left = sorted(fact.split()[1:] for fact in goal if fact.startswith("trusts"))
    while left:
        x, y = next(pair for pair in left if pair[1] in ready)
        left.remove([x, y])
        ready.add(x)
        plan += [f"{take} {x}", f"{put} {x} {y}"]
    return ", ".join(plan)


FAMILY = Family(
    name="blocksworld",
    doc="rebuild stacks of blocks with one hand",
    version="2",  # since 2 the answer is a plan found at once, not always a shortest one
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="actions of a shortest plan",
    judge=judge,
)
LEXICOGRAPHIC = mode(
    FAMILY, "lexicographic", "blocks into one stack, A on top of B on C", goal="lexicographic"
)
MYSTERY = mode(FAMILY, "mystery", "blocks under words that hide what they are", names="mystery")
