"""Can this score be believed? A benchmark, its results and attempts, section by section.

Each section gives what it looked at, its findings with their size and what to do, or nothing where
the data do not allow it. A finding fails the audit.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gradatim import checks
from gradatim.audits.abstention import judge_abstention
from gradatim.audits.confidence import judge_confidence
from gradatim.audits.independence import judge_independence
from gradatim.audits.items import find_items
from gradatim.audits.leaks import find_leaks
from gradatim.audits.prompts import find_blind, judge_layouts
from gradatim.audits.rows import find_rows
from gradatim.audits.shortfall import refuse_words, shortfall
from gradatim.audits.steps import find_lucky, measure_horizon
from gradatim.audits.subject import Subject, open_subject
from gradatim.audits.texts import find_texts
from gradatim.audits.transfer import measure_transfer
from gradatim.audits.trend import find_trend
from gradatim.audits.variance import judge_checkpoints, judge_consistency, judge_seeds
from gradatim.audits.verdicts import judge_verdicts
from gradatim.evaluation.better_checker import Stakes
from gradatim.evaluation.resampling import check_prices
from gradatim.evaluation.verifier_error import stated_rates
from gradatim.progress import Progress, Tick, silent
from gradatim.store.run import Run
from gradatim.types import Bank, Matrix, Responses

MOST_SEED = 2**63 - 1
Look = Callable[[Subject], dict[str, Any] | None]
Rate = float | tuple[float, float, float]


class Section(NamedTuple):
    """One part of the audit.

    Attributes:
        name: as printed, and as `only` names it.
        look: Subject -> None where the data do not allow it, or a mapping with `looked_at` (a
            phrase), `findings` (see `finding`), `notes` (what is worth knowing but no fault) and
            any further numbers, estimates as Estimate.
        needs: what must be in the file, as a phrase.
        weight: its part of the chance of a false finding, against the weights of the other
            sections that look; 0: it says only what is certain.
    """

    name: str
    look: Look
    needs: str
    weight: float = 1.0


SECTIONS: tuple[Section, ...] = (
    Section("rows", find_rows, "results of at least two solvers"),
    Section("keys", find_items, "results of at least 8 solvers"),
    Section("leaks", find_leaks, "results of 3 solvers, and 100 items or a column of items", 8.0),
    Section("verifier", find_trend, "single attempts, in another order than solvers or items", 8.0),
    Section("texts", find_texts, "texts of problems", 0.0),
    Section(
        "verdicts",
        judge_verdicts,
        "rates of error (--false-positive, --false-negative), a column `audited` with trusted "
        "verdicts on some attempts, or a column `second_verdict` with another verifier's on all",
    ),
    Section("lucky", find_lucky, "a column `sound`, or a run with replies that show their steps"),
    Section("confidence", judge_confidence, "a column `confidence`, or log-probabilities"),
    Section(
        "abstention",
        judge_abstention,
        "a run with problems that have an answer, and some without",
    ),
    Section(
        "horizon",
        measure_horizon,
        "a run with replies of several steps or tasks of different lengths; a column `minutes`",
        0.0,
    ),
    Section("seeds", judge_seeds, "a column `seed`, all seeds of a solver on the same items"),
    Section("checkpoints", judge_checkpoints, "a column `step` with 4 steps on the same items"),
    Section(
        "independence",
        judge_independence,
        "several attempts on a problem in their order (a time, or a column `attempt`) or with a "
        "column `batch`; 10 problems with passes and fails",
    ),
    Section("layout", judge_layouts, "a column `layout`, all layouts on the same items"),
    Section(
        "blind",
        find_blind,
        "attempts without the question (a column `blind`) and a column `chance` or `n_options`, "
        "or problems with a column `options`",
    ),
    Section(
        "transfer",
        measure_transfer,
        "a column `held_out` of items, or a run of problems held out by `families.held_out`: "
        "train, new instance, new task, new category; or train, within, beyond",
        0.0,
    ),
    Section("reliability", judge_consistency, "3 solvers on the same 10 items", 0.0),
)


def audit_file(  # noqa: PLR0913  (one keyword for each thing that a section can be told)
    source: str | Path | Run | Responses | Matrix,
    *,
    bank: Bank | Run | str | Path | None = None,
    against: Sequence[str | Path] = (),
    only: Sequence[str] = (),
    false_positive: Rate | None = None,
    false_negative: Rate | None = None,
    stakes: Stakes | None = None,
    ahead: float | None = None,
    alarm: float = 0.05,
    seed: int = 0,
    progress: Progress = silent,
    **reading: Any,
) -> dict[str, Any]:
    """Audit a benchmark: its problems, its results, or both.

    Args:
        source: a file of problems, a matrix, logs, a table of attempts, a run or its folder.
        bank: items calibrated on other attempts (a bank, its file, a run's newest): drift and
            items that changed are measured against it.
        against: files of problems that must not be among those of `source`, say what was trained
            on.
        only: names of SECTIONS; none: all.
        false_positive, false_negative: chance that the verifier passes a wrong attempt, and fails
            a right one; a number, or (value, low, high) of a 95% interval.
        stakes: what a wrong answer costs, and other checkers: section `verdicts` then says how
            many attempts to make, and whether a better checker helps more.
        ahead: training step at which section `checkpoints` forecasts; None: twice the last one.
        alarm: chance of any false finding in sound data, over all sections that look: those in
            `only`, and of these those whose data are there. Fewer sections find more.
        seed: of simulations.
        progress: told before each section.
        reading: format, score, columns, span of `store.logs.read_files`.

    Returns:
        subject; passed: whether any section could look, and none has a finding; solvers, items,
        attempts, problems: how many there are; sections: a row each with section, passed, alarm
        (its part), looked_at, findings (kind, names, words, remedy, evidence), notes and numbers;
        skipped: section, what it needs, and what is amiss with its column if that is there; notes:
        what was not read.

    Raises:
        ArgumentError: an unknown section, an alarm or seed out of range, verdicts that are words, a
            bank with none of the items.
        FormatError: a file that is not what it should be.
    """
    checks.within(1e-6, 0.5, alarm=alarm)
    checks.whole(0, MOST_SEED, seed=seed)
    if stakes is not None:
        check_prices(stakes.prices)
    for name in only:
        checks.one_of("only", name, [section.name for section in SECTIONS])
    wanted = [section for section in SECTIONS if not only or section.name in only]
    stated = {"false_positive": false_positive, "false_negative": false_negative}
    stated = {name: rate for name, rate in stated.items() if rate is not None}
    errors = stated_rates(**stated) if stated else None
    about = {"bank": bank, "against": against, "errors": errors, "seed": seed}
    subject = open_subject(source, **about, **reading)
    subject = replace(subject, stakes=stakes, ahead=ahead)
    if errors is None and any(section.name == "verdicts" for section in wanted):
        refuse_words(subject)
    found = look_through(subject, wanted, alarm=alarm, progress=progress)
    rows = [row for row in found.values() if row]
    return {
        "subject": subject.name,
        "passed": bool(rows) and all(row["passed"] for row in rows),
        **_sizes(subject),
        "sections": rows,
        "skipped": [
            {
                "section": section.name,
                "needs": section.needs,
                "amiss": shortfall(section.name, section.needs, subject),
            }
            for section in wanted
            if not found[section.name]
        ],
        "notes": list(subject.notes),
    }


def look_through(
    subject: Subject,
    wanted: Sequence[Section] = SECTIONS,
    *,
    alarm: float = 0.05,
    progress: Progress = silent,
) -> dict[str, dict[str, Any] | None]:
    """What each section finds, with `alarm` spent over those that look.

    They are asked from the last to the first, since files seldom have what the last ones need:
    each may take its weight's part of what is left, and one that cannot look takes nothing. By
    Bonferroni the chance of any false finding is at most `alarm`.

    Args:
        subject: a file under audit; its own `alarm` is not used.
        wanted: sections.
        alarm: chance of any false finding in sound data.
        progress: told before each section.

    Returns:
        name -> its row with section, passed, looked_at, findings, notes and numbers, or None where
        the data do not allow it; in the order of `wanted`.
    """
    found: dict[str, dict[str, Any] | None] = {section.name: None for section in wanted}
    left = alarm
    for at in range(len(wanted) - 1, -1, -1):
        section, weights = wanted[at], sum(one.weight for one in wanted[: at + 1])
        progress(Tick("audit", len(wanted) - 1 - at, len(wanted), {"now": section.name}))
        share = left * section.weight / weights if weights else 0.0
        seen = section.look(replace(subject, alarm=share))
        if seen is None:
            continue
        left -= share
        head = {"section": section.name, "passed": not seen["findings"], "alarm": share}
        found[section.name] = {**head, "notes": [], **seen}
    progress(Tick("audit", len(wanted), len(wanted)))
    return found


def _sizes(subject: Subject) -> dict[str, int]:
    matrix = subject.matrix
    return {
        "solvers": 0 if matrix is None else len(matrix.solvers),
        "items": 0 if matrix is None else len(matrix.items),
        "attempts": 0 if matrix is None else int(matrix.tried.sum()),  # pyright: ignore
        "problems": len(subject.questions),
    }
