"""Audit a family or a verifier: what passes that should not, what fails that should pass.

The gates are those of `families.gate`, `families.stock` and `families.templates`; here their
counts become rates with intervals, and speed and processes are measured.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from gradatim.audits.probes import NOT_TAKEN, PROBES, probe
from gradatim.audits.scores import audit_file
from gradatim.checkers import registry as checkers
from gradatim.errors import ArgumentError, MissingExtra
from gradatim.families import gate, registry, stock, templates
from gradatim.families.gate import NO_TEXT, Notes, Outcome
from gradatim.families.generation import LEVELS, generate
from gradatim.families.verify import need_verifier
from gradatim.progress import Progress, Tick, silent
from gradatim.scale.rates import pass_rate
from gradatim.store.run import Run
from gradatim.types import Estimate, Family, Matrix, Problem, Responses

KINDS = ("family", "verifier")
SHOWN = (1, 5, 10)  # levels whose floor and space are shown
ODD = 60  # items that the costly nonsense is tried on
LIMIT = 1.0  # seconds; the 99% quantile of making one item must stay below
PROCESSES = 20  # items a split that are compared between processes


def rate(failed: int, tried: int) -> Estimate | None:
    """A share with its 95% Wilson interval; None where nothing was tried."""
    if not tried:
        return None
    found = pass_rate(np.array([failed]), np.array([tried]))
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), tried)


def names(kind: str) -> list[str]:
    """Subjects of a kind: "family:NAME" of every family, "verifier:NAME" of every checker."""
    known = registry.names() if kind == "family" else sorted({*checkers.names()} & {*PROBES})
    return [f"{kind}:{name}" for name in known]


def audit(
    subject: str | Path | Family | templates.Template, *, n: int = 200, **options: Any
) -> dict[str, Any]:
    """Judge a family or a verifier by adversarial answers; a benchmark by its problems and results.

    Args:
        subject: "family:NAME", "verifier:NAME" (a checker, or a family's check), or a record; or
            a file of problems or results, or a run's folder, see `audits.scores`.
        n: problems over levels 1..10 that the gates of a family or verifier look at.
        options: of `audits.scores.audit_file`, for files: against, only, alarm, seed ...

    Returns:
        Of files what `audit_file` does. Of the others subject, passed, items; false_positive and
        false_negative: shares of items on which a wrong text passed or raised, and a right one did
        not pass (Estimate; texts on one item are not independent, items are); gates: a row each
        with tried and failed texts and the first findings; for families also floor, effort,
        unique, speed.

    Raises:
        ArgumentError: an unknown subject, or n out of range.
        FormatError: a file that is not what it should be.
        MissingExtra: a checker's package is not installed.

    >>> audit("verifier:number", n=20)["false_positive"].value
    0.0
    """
    _enough(n)
    if is_file(subject):
        return audit_file(subject, **options)
    if options:
        raise ArgumentError(f"`{next(iter(options))}` is for files, got the subject {subject!r}")
    if not isinstance(subject, str):
        if not isinstance(subject, Family | templates.Template):
            kinds = "family:NAME, verifier:NAME, a file, a Family or a Template"
            raise ArgumentError(f"`subject` must be {kinds}, got {subject!r}")
        return _family(subject.name, subject, n, named=False)
    kind, _, name = subject.partition(":")
    if kind not in KINDS or not name:
        wanted = "family:NAME, verifier:NAME, or a file or run folder that is there"
        raise ArgumentError(f"`subject` must be {wanted}; got {subject!r}")
    if kind == "family":
        listed = name in registry.names()  # a bridge's families are not
        return _family(name, registry.found(name) if listed else registry.get(name), n, named=True)
    return _verifier(name, n)


def is_file(subject: Any) -> TypeGuard[str | Path | Run | Responses | Matrix]:
    """Whether a subject is a benchmark: results, or a path, which may be missing."""
    if not isinstance(subject, str):
        return isinstance(subject, Path | Run | Responses | Matrix)
    if subject.partition(":")[0] in KINDS and ":" in subject:
        return False
    return Path(subject).exists() or "/" in subject or bool(Path(subject).suffix)


def audit_all(*, n: int = 200, progress: Progress = silent) -> Iterator[dict[str, Any]]:
    """Every family and every checker in turn; those that lack a package say so.

    Args:
        n: problems of each.
        progress: told before each subject, and at the end, how many are done and how many failed.

    Raises:
        ArgumentError: n out of range.
    """
    _enough(n)
    subjects = [subject for kind in KINDS for subject in names(kind)]
    failed = 0
    for done, subject in enumerate(subjects):
        progress(Tick("audit", done, len(subjects), {"failed": failed, "now": subject}))
        try:
            found = audit(subject, n=n)
        except (ArgumentError, MissingExtra) as error:
            found = {"subject": subject, "passed": False, "refused": str(error), "gates": []}
        failed += not found["passed"]
        yield found
    progress(Tick("audit", len(subjects), len(subjects), {"failed": failed}))


def _enough(n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 20:
        raise ArgumentError(f"`n` must be a whole number of at least 20, got {n!r}")


def _verifier(name: str, n: int) -> dict[str, Any]:
    if name not in registry.names():
        need_verifier(name)
    if name in checkers.names():
        family = probe(name)
        dresses = [form for form in gate.FORMS if form not in NOT_TAKEN.get(name, ())]
    else:
        family, dresses = registry.get(name), list(gate.FORMS)
    problems = stock.supply(family, n)
    looks = [partial(gate.forms, dresses=dresses), *gate.ANSWERS[1:-1]]
    outcomes = [_look(look, family, problems) for look in looks]
    return _report(f"verifier:{name}", problems, outcomes) | {"forms": dresses}


def _look(look: Callable[..., Outcome], family: Family, problems: Sequence[Problem]) -> Outcome:
    if look is gate.nonsense:
        problems = problems[:ODD]
    try:
        return look(family, problems)
    except MissingExtra as error:
        notes = Notes(getattr(look, "__name__", "gate"))
        return notes.outcome(skipped=str(error))


def _family(name: str, thing: Any, n: int, *, named: bool) -> dict[str, Any]:
    subject = f"family:{name}"
    outcomes = templates.five(thing)
    if outcomes[-1].failed:  # nothing more can be learned from what does not even run
        return _report(subject, [], outcomes)
    family = templates.family(thing) if isinstance(thing, templates.Template) else thing
    problems = stock.supply(family, n)
    outcomes += [_look(look, family, problems) for look in gate.ANSWERS]
    outcomes += [
        stock.ladder(family),
        stock.effort(family, problems),
        stock.unique(family),
        stock.splits(problems, stock.supply(family, n, split="test")),
        stock.seeds(problems, stock.supply(family, n, seed=1)),
        stock.repeatable(family),
        stock.knob_errors(family),
        speed(family, problems),
    ]
    if named:
        outcomes.append(processes(name))
    by_name = {outcome.gate: outcome.facts for outcome in outcomes}
    return _report(subject, problems, outcomes) | {
        "version": family.version,
        "floor": _floor(family, problems),
        "space": {str(level): family.space(stock.setting(family, level)) for level in SHOWN},
        "effort": by_name["effort"],
        "unique": by_name["unique"],
        "speed": by_name["speed"],
    }


def _report(
    subject: str, problems: Sequence[Problem], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    def share(kind: str) -> Estimate | None:
        failed: set[str] = set()
        for outcome in outcomes:
            failed |= outcome.items if outcome.kind == kind else set()
        return rate(len(failed), len({problem.id for problem in problems}))

    return {
        "subject": subject,
        "passed": not any(outcome.failed for outcome in outcomes),
        "items": len(problems),
        "false_positive": share("positive"),
        "false_negative": share("negative"),
        "gates": [
            {
                "gate": outcome.gate,
                "passed": not outcome.failed,
                "tried": outcome.tried,
                "failed": outcome.failed,
                "findings": [str(finding) for finding in outcome.findings],
                "facts": dict(outcome.facts),
            }
            for outcome in outcomes
        ],
    }


def _floor(family: Family, problems: Sequence[Problem]) -> dict[str, Any]:
    """What guessing brings: stated by the family, and measured for the best constant answer.

    The constant is chosen on half of the items and measured on the rest, or luck would count.
    """
    half = [problem for i, problem in enumerate(problems) if i // len(LEVELS) % 2]
    chosen = Counter(problem.answer for problem in half)
    constant = chosen.most_common(1)[0][0]
    rest = [problem for i, problem in enumerate(problems) if not i // len(LEVELS) % 2]
    hits = sum(gate.right(family, problem, constant) for problem in rest)
    stated = {level: family.floor(stock.setting(family, level)) for level in LEVELS}
    return {
        "stated": {str(level): stated[level] for level in SHOWN},
        "stated_mean": sum(stated.values()) / len(stated),
        "constant": rate(hits, len(rest)),
        "constant_answer": gate.shorten(constant),
    }


def speed(family: Family, problems: Sequence[Problem]) -> Outcome:
    """Items made and replies checked a second, and the slow end of making one."""
    notes = Notes("speed")
    n = len(problems)
    start = time.process_time()
    stock.supply(family, n, seed=2)
    made = time.process_time() - start
    start = time.process_time()
    for problem in problems:
        family.check(problem, problem.answer)
    checked = time.process_time() - start
    each: list[float] = []
    for i in range(n):
        start = time.process_time()
        generate(family, n=1, level=1 + i % 10, seed=i)
        each.append(time.process_time() - start)
    notes.tried = n
    slow = float(np.quantile(each, 0.99))
    if slow > LIMIT:
        notes.fail(None, NO_TEXT, f"one item in a hundred takes more than {slow:.2f} s to make")
    return notes.outcome(
        made_per_s=n / max(made, 1e-9),
        checked_per_s=n / max(checked, 1e-9),
        p99_s=slow,
        max_s=max(each),
    )


def processes(name: str) -> Outcome:
    """Items of a registered family in two fresh processes with different hash seeds."""
    notes = Notes("processes")
    code = (
        "import sys; from gradatim.families import registry, stock; "
        f"print(stock.content_hash(registry.get(sys.argv[1]), {PROCESSES}))"
    )
    seen = {stock.content_hash(registry.get(name), PROCESSES)}
    for hash_seed in ("0", "1"):
        notes.tried += 1
        done = subprocess.run(
            [sys.executable, "-c", code, name],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            notes.fail(None, NO_TEXT, f"a fresh process failed: {done.stderr.strip()[-200:]}")
            continue
        seen.add(done.stdout.strip())
        if len(seen) > 1:
            notes.fail(None, NO_TEXT, f"other items with PYTHONHASHSEED={hash_seed}")
    return notes.outcome()
