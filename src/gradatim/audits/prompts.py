"""Prompts: does the score hang on their layout, and is the question needed at all?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.audits.subject import Subject, finding, pick
from gradatim.audits.variants import LAYOUTS, STEPS, Variants, find_variants
from gradatim.audits.verdicts import written
from gradatim.evaluation.blind import Blind, blind_items, option_baseline
from gradatim.evaluation.layout import Layouts, layout_effects, spread_of_layouts
from gradatim.families.sources import numbered
from gradatim.types import Estimate

REFERENCES = ("default", "reference", "standard", "original")
BLIND = ("blind", "no_question", "question_blind", "without_question")
CONDITIONS = ("condition", "layout", "variant", "prompt_variant")
HIDDEN = ("blind", "no_question", "question_blind", "options_only", "shuffled", "shuffled_question")
CHANCES = ("chance", "guess", "guess_rate")
COUNTS = ("n_options", "n_choices", "num_choices", "num_options")
OPTIONS = ("options", "choices", "endings")
RIGHT = ("answer", "label", "answer_index", "gold", "target", "correct_option")
TOLERATED = 0.05  # flips, or a change, that do not matter
LISTED = 8  # items or layouts in a sentence
LEAST = 20  # problems with options from which a habit can be learned


def judge_layouts(subject: Subject) -> dict[str, Any] | None:
    """Accuracy change and flips over layouts of the prompt, by solver."""
    systems = [_seen(one) for one in find_variants(subject, LAYOUTS, apart=STEPS)]
    systems = [one for one in systems if len(one.labels) > 1]
    if not systems:
        return None
    share = subject.alarm / len(systems) / 2  # of a changed accuracy, and of flips
    rows, findings, notes = [], [], []
    for one in systems:
        names = [str(label) for label in one.labels]
        at = next((names.index(name) for name in REFERENCES if name in names), 0)
        whole = bool((one.tried == np.rint(one.tried)).all())
        tried = one.tried if whole else np.ones_like(one.tried)
        solved = one.solved if whole else one.rate
        found = layout_effects(solved, tried, reference=at, tolerated=TOLERATED)
        strict = layout_effects(
            solved, tried, reference=at, tolerated=TOLERATED, level=1 - share / (len(names) - 1)
        )
        mean = spread_of_layouts(found.accuracy.value)
        rows.append({**_layouts(one.name, names, at, found), "mean": mean})
        notes.append(f"{one.name}: {written(mean)} over layouts like these {len(names)}")
        findings += _unstable(
            one.name, names, found, strict=strict, reference=names[at], alarm=share
        )
        if np.isnan(found.own):
            notes.append(
                f"{one.name}: outcomes flip by up to {found.flips.value.max():.3f} between "
                "layouts; with one attempt each, chance may do that (greedy attempts aside)"
            )
    return {
        "looked_at": f"{sum(len(one.labels) for one in systems)} layouts of {len(systems)} solvers",
        "findings": findings,
        "notes": notes[:LISTED],
        "solvers": rows,
    }


def _seen(one: Variants) -> Variants:
    """Less what is no layout but a prompt without its question."""
    kept = np.array([str(label).lower() not in HIDDEN for label in one.labels])
    return one._replace(labels=one.labels[kept], solved=one.solved[kept], tried=one.tried[kept])


def _at(many: Estimate, i: int) -> Estimate:
    return Estimate(*(getattr(many, part)[i].item() for part in ("value", "low", "high", "n")))


def _layouts(name: str, labels: list[str], at: int, found: Layouts) -> dict[str, Any]:
    return {
        "solver": name,
        "reference": labels[at],
        "p_value": found.p_value,
        "own_flips": found.own,
        "layouts": [
            {
                "layout": label,
                "accuracy": _at(found.accuracy, i),
                "change": _at(found.change, i),
                "flips": _at(found.flips, i),
                "excess_flips": _at(found.excess, i),
                "unstable": bool(found.unstable[i]),
            }
            for i, label in enumerate(labels)
        ],
    }


def _unstable(
    name: str, labels: list[str], found: Layouts, *, strict: Layouts, reference: str, alarm: float
) -> list[dict[str, Any]]:
    out = []
    value = found.accuracy.value
    if found.p_value < alarm:
        low, high = int(np.argmin(value)), int(np.argmax(value))
        words = (
            f"the score of {name} hangs on the layout: from {value[low]:.3f} ({labels[low]}) to "
            f"{value[high]:.3f} ({labels[high]})"
        )
        remedy = (
            "report the mean and spread over layouts (--json: `solvers`), and compare solvers "
            "under the same ones"
        )
        out.append(finding("layout", [name], words, remedy=remedy, p_value=found.p_value))
    turned = [i for i in range(len(labels)) if strict.excess.low[i] > TOLERATED]
    if turned:
        worst = max(turned, key=lambda i: found.excess.value[i])
        words = (
            f"answers of {name} flip with the layout: {labels[worst]} changes "
            f"{written(_at(found.excess, worst))} of outcomes beside {reference}, beyond the "
            f"{found.own:.3f} that attempts under one layout differ by"
        )
        remedy = "average over layouts, or fix one and say which"
        out.append(finding("flips", [name, *(labels[i] for i in turned)], words, remedy=remedy))
    return out


# -- without the question ---------------------------------------------------------------------


def find_blind(subject: Subject) -> dict[str, Any] | None:
    """Items answerable without the question, by blind respondents or by habits of the options."""
    if subject.matrix is None:
        return _by_options(subject)
    respondents = _respondents(subject)
    if respondents is None:
        return None
    right, tried, chance = respondents
    found = blind_items(right, chance, tried=tried)
    names = np.array(subject.matrix.items)
    seen = int((tried.sum(axis=0) > 0).sum())
    return _blind(
        found,
        names,
        subject.alarm,
        looked_at=f"{int(tried.sum()):,} attempts without the question on {seen:,} items",
    )


def _respondents(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(respondent, item) right and tried of those who did not see the question, and chances."""
    matrix = subject.matrix
    assert matrix is not None
    chance = pick(subject.of_item, CHANCES)
    counts = pick(subject.of_item, COUNTS)
    if chance is None and counts is None:
        chance = _constant(subject, CHANCES)
        counts = _constant(subject, COUNTS) if chance is None else None
    if chance is None and counts is not None and counts.dtype.kind in "fiu":
        chance = 1 / np.maximum(counts, 1.000001)
    if chance is None or chance.dtype.kind != "f":
        return None
    if not ((chance > 0) & (chance < 1)).all():
        return None
    shape = (len(matrix.solvers), len(matrix.items))
    if subject.attempts is not None:
        hidden = _hidden(subject.attempts.columns)
        if hidden is None or not hidden.any():
            return None
        solver, item, score = (part[hidden] for part in subject.attempts[:3])
        flat, size = solver * shape[1] + item, shape[0] * shape[1]
        right = np.bincount(flat, weights=score, minlength=size).reshape(shape)
        tried = np.bincount(flat, minlength=size).reshape(shape)
    else:
        hidden = _hidden(subject.of_solver)
        if hidden is None or not hidden.any():
            return None
        right, tried = matrix.solved[hidden], np.asarray(matrix.tried)[hidden]
    some = tried.sum(axis=1) > 0
    return right[some], tried[some], np.broadcast_to(chance, shape[1])


def _constant(subject: Subject, names: Sequence[str]) -> np.ndarray | None:
    """A column that says the same of all items, which `of_item` leaves out."""
    if subject.attempts is None or subject.matrix is None:
        return None
    column = pick(subject.attempts.columns, names)
    if column is None or column.dtype.kind != "f" or np.ptp(column) > 0:
        return None
    return np.full(len(subject.matrix.items), column[0])


def _hidden(columns: Any) -> np.ndarray | None:
    """Which rows did not see the question."""
    flag = pick(columns, BLIND)
    if flag is not None:
        return np.nan_to_num(flag) > 0 if flag.dtype.kind == "f" else _yes(flag)
    said = pick(columns, CONDITIONS)
    if said is None or said.dtype.kind != "U":
        return None
    return np.isin(np.char.lower(said), HIDDEN)


def _yes(flag: np.ndarray) -> np.ndarray:
    if flag.dtype.kind in "biu":
        return flag.astype(bool)
    return np.isin(np.char.lower(flag.astype(str)), ("true", "yes", "1"))


def _by_options(subject: Subject) -> dict[str, Any] | None:
    """Guesses from the options' lengths, places and words, of a file of problems."""
    read = _read_options(Path(subject.name))
    if read is None:
        return None
    names, texts, answer = read
    right = option_baseline(texts, answer, seed=subject.seed)
    chance = np.array([1 / len(row) for row in texts])
    best, found = min(
        ((name, blind_items(hits[None], chance)) for name, hits in right.items()),
        key=lambda pair: pair[1].p_value,
    )
    told = {name: blind_items(hits[None], chance).rate for name, hits in right.items()}
    row = _blind(
        found._replace(flagged=np.zeros(len(names), bool)),
        np.array(names),
        subject.alarm / len(right),
        looked_at=f"the options of {len(names):,} problems",
        by=f"by {best} of the options alone",
    )
    return {**row, "baselines": told}


def _read_options(path: Path) -> tuple[list[str], list[list[str]], np.ndarray] | None:
    names, texts, answer = [], [], []
    if not path.is_file():
        return None
    for line, row in numbered(path):
        options = pick(row, OPTIONS)
        if isinstance(options, str) and options.lstrip().startswith(("[", "{")):
            options = _loaded(options)
        if isinstance(options, dict):  # {"text": [...], "label": [...]}
            marks, options = options.get("label"), options.get("text")
        else:
            marks = None
        if not isinstance(options, list | tuple) or len(options) < 2:
            return None
        at = _place(pick(row, RIGHT), [str(o) for o in options], marks)
        if at is None:
            return None
        names.append(str(row.get("id", line)))
        texts.append([str(option) for option in options])
        answer.append(at)
    if len(texts) < LEAST:
        return None
    return names, texts, np.array(answer)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _place(answer: Any, options: list[str], marks: Any) -> int | None:
    """Index of the right option: its text, its mark, its letter or its number from 0."""
    text = str(answer).strip()
    for listed in (options, [str(m) for m in marks or ()]):
        if text in listed:
            return listed.index(text)
    if len(text) == 1 and text.isalpha():
        at = ord(text.upper()) - ord("A")
    else:
        at = int(text) if text.isdigit() else -1
    return at if 0 <= at < len(options) else None


def _advice(found: Blind, gone: int) -> str:
    """What to leave out, and how far that helps."""
    if not gone:
        return (
            "no single item is rather known than guessed: ask more respondents without the "
            "question, or balance what the options alone give away"
        )
    items = "item" if gone == 1 else f"{gone:,} items"
    left = int(found.clean.sum())
    if not left or np.isnan(found.rest.value):
        return f"no item is left without the {items} that --json lists under `left_out`: ask anew"
    return (
        f"leave out the {items} that --json lists under `left_out`: of the other {left:,} "
        f"{written(found.rest)} are right without the question"
    )


def _blind(
    found: Blind, names: np.ndarray, alarm: float, *, looked_at: str, by: str = ""
) -> dict[str, Any]:
    order = np.argsort(found.item_p, kind="stable")
    flagged = [str(names[i]) for i in order if found.flagged[i]]
    fails = found.p_value < alarm
    gone = [str(names[i]) for i in order if not found.clean[i]] if fails and not by else []
    words = f"right without the question {written(found.rate)} of the time" + f" {by}" * bool(by)
    words += f", by chance {found.chance:.3f}"
    findings = []
    if fails:
        if flagged:
            words += f"; on {len(flagged)} items for sure: {', '.join(flagged[:LISTED])}"
        remedy = (
            "balance the options' lengths, places and words" if by else _advice(found, len(gone))
        )
        findings.append(finding("blind", flagged, words, remedy=remedy, p_value=found.p_value))
    return {
        "looked_at": looked_at,
        "findings": findings,
        "notes": [] if fails else [words],
        "rate": found.rate,
        "chance": found.chance,
        "p_value": found.p_value,
        "flagged": flagged,
        "left_out": gone,
        "rest": found.rest,
    }
