"""From attempts to a bank: difficulties and abilities on one scale, kept with the run.

Repeated on the same responses, the bank that is there is read, not fitted again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.link import link_banks
from gradatim.engine.sources import READING, Given, open_source
from gradatim.errors import ArgumentError, nearest
from gradatim.evaluation.rank import spearman
from gradatim.families import registry
from gradatim.files import dumps, plain, write_atomic
from gradatim.progress import Progress, Tick, silent
from gradatim.scale import irt
from gradatim.scale.link import place
from gradatim.scale.quality import check_quality
from gradatim.store import banks
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Matrix, Problem, Responses

LISTS = ("never_solved", "always_solved", "zero_solvers", "full_solvers", "parts")
REPORTED = ("sources", "notes", "quality", "link")
_FITTING = ("priors", "tolerance", "max_iterations", "reference", "overdispersion")


def calibrate(
    source: Given | Sequence[Given],
    *,
    model: str = "2pl",
    link: Bank | str | Path | None = None,
    run: Run | str | Path | None = None,
    leave_out: Sequence[str] = (),
    floors: bool = False,
    progress: Progress = silent,
    **options: Any,
) -> Bank:
    """Calibrate problems and solvers on one scale.

    Args:
        source: a run or its folder; Responses or a Matrix; logs of inspect_ai,
            lm-evaluation-harness, TRL or verl, long tables, matrix files, or folders of these (see
            `store.logs.read_files`); or several of them, whose attempts are added up.
        model: "2pl", "1pl", "rasch", "3pl" or "4pl"; see `scale.irt.fit`.
        link: a bank, or its file, to whose scale the result is brought by the items in both;
            anchors that drifted are left out (see `engine.link.link_banks`).
        run: where bank and results are kept; a source that is a run keeps its own.
        leave_out: names of solvers that take no part, say one that is to be tested on the bank.
        floors: take the families' chances of a guess as known lower ends of the curves. Right
            only where solvers always give a well-formed answer.
        progress: told when the fit starts and ends.
        options: of the fit: priors, tolerance, max_iterations, reference, overdispersion; of
            reading logs: format, score, columns, span; and `published`, solver -> mean score that
            its author states, which the data are checked against.

    Returns:
        Bank; `fit["reused"]` says whether it was there already, `fit["sources"]` what each file
        brought and what it had no score for, `fit["quality"]` what is wrong with the data, and
        `fit["link"]` how it was linked. The run holds it under banks/, and
        results/calibration.json names items that nobody, or everybody, solved, and has Spearman's
        correlation of difficulty with level for each family.

    Raises:
        ArgumentError: a bad argument, responses that cannot be, no item in common with `link`.
        FormatError: a source that is not what it should be.
    """
    checks.one_of("model", model, irt.MODELS)
    checks.known_keys("`calibrate`", options, (*_FITTING, *READING, "published"))
    fitting = {name: options[name] for name in _FITTING if name in options}
    reading = {name: options[name] for name in READING if name in options}
    target = banks.read(link) if isinstance(link, str | Path) else link
    opened = open_source(source, run, **reading)
    responses, run = _without(opened.responses, leave_out), opened.run
    problems = {} if run is None else {p.id: p for p in run.problems()}
    floor = guess_floors(responses.items, problems) if floors else None
    found = check_quality(responses, published=options.get("published"))
    about = {
        "sources": [plain(origin) for origin in opened.origins],
        "notes": [*opened.notes, *found.skipped],
        "quality": [plain(finding) for finding in found.findings],
    }
    settings = {"model": model, "floors": floors, **fitting}
    if target is not None:
        settings["link"] = banks.name_of(target)
    key = _key(responses, settings)
    kept = _kept(run, key)
    cells = responses.solved.size
    if kept is not None:
        progress(Tick("calibrate: reused", cells, cells))
        about["notes"] += unsettled(kept.fit)
        return replace(kept, fit={**kept.fit, **about})
    progress(Tick("calibrate", 0, cells))
    bank = irt.fit(responses, model=model, floor=floor, **fitting)
    progress(Tick("calibrate", cells, cells))
    about["notes"] += unsettled(bank.fit)
    bank = replace(bank, fit={**bank.fit, **about, "source": key, "reused": False})
    if target is not None:
        bank, made = link_banks(bank, target)
        if "link" not in bank.fit:  # on the scale already: said, and its numbers stay to the bit
            bank = replace(bank, fit={**bank.fit, "link": place(bank, made).fit["link"]})
    if run is not None:
        _keep(run, bank, problems)
    return bank


def describe_calibration(bank: Bank, problems: Mapping[str, Problem]) -> dict[str, Any]:
    """What there is to say about a bank, as in results/calibration.json.

    Args:
        bank: as fitted.
        problems: by id, those that are known.

    Returns:
        scale, model, items, solvers (name, ability, se), never_solved, always_solved,
        zero_solvers, full_solvers, parts (names), sources, notes, quality, link, spearman
        (family -> Estimate of the rank correlation of difficulty with level, problems
        resampled), fit.
    """
    facts = dict(bank.fit)
    lists = {name: facts.pop(name, []) for name in LISTS}
    reported = {name: facts.pop(name) for name in REPORTED if name in facts}
    return {
        "scale": bank.scale,
        "model": facts.get("model"),
        "items": len(bank.items),
        "solvers": [
            {"name": name, "ability": float(ability), "se": float(se)}
            for name, ability, se in zip(bank.solvers, bank.ability, bank.se_ability, strict=True)
        ],
        **lists,
        **reported,
        "spearman": _level_correlations(bank, problems),
        "fit": {**facts, **{name: len(names) for name, names in lists.items()}},
    }


def unsettled(fit: Mapping[str, Any]) -> list[str]:
    """What a fit that did not converge means and what to do about it; nothing of one that did.

    >>> unsettled({"converged": True})
    []
    """
    if fit.get("converged", True):
        return []
    steps, model = int(fit.get("iterations", 0)), str(fit.get("model"))
    simpler = {"4pl": "2pl", "3pl": "2pl", "2pl": "1pl"}.get(model)
    return [
        f"the fit stopped after {steps:,} steps before it settled: difficulties, abilities and "
        "their errors are not final; fit longer, in Python: calibrate(source, "
        f"max_iterations={max(1000, 10 * steps)})"
        + (f", or a simpler model: --model {simpler}" if simpler else "")
    ]


def bank_path(path: str | Path) -> Path:
    """Where a bank may be written.

    Raises:
        ArgumentError: the name does not end in .parquet.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise ArgumentError(f"`output` must end in .parquet, got {str(path)!r}")
    return path


def save_bank(path: str | Path, bank: Bank) -> Path:
    """Write a bank under a name of one's own."""
    path = bank_path(path)
    write_atomic(path, banks.encode(bank))
    return path


# -- what goes in -----------------------------------------------------------------------------


def _key(responses: Responses | Matrix, settings: Mapping[str, Any]) -> str:
    """A name for exactly these responses and settings."""
    hashed = hashlib.blake2b(digest_size=12)
    for names in (responses.solvers, responses.items):
        hashed.update(dumps(list(names)).encode())
    for name in ("solved", "tried", "solver", "item"):
        if hasattr(responses, name):
            column = np.asarray(getattr(responses, name))
            hashed.update(f"{column.shape}{column.dtype}".encode())
            hashed.update(np.ascontiguousarray(column).data)
    hashed.update(repr(sorted(settings.items())).encode())
    return hashed.hexdigest()


def _without(responses: Responses | Matrix, names: Sequence[str]) -> Responses | Matrix:
    for name in names:
        if name not in responses.solvers:
            raise ArgumentError(
                f"`leave_out`: nobody is called {name!r} (there are "
                f"{', '.join(responses.solvers[:12])}){nearest(name, responses.solvers)}"
            )
    if not names:
        return responses
    here = np.array([name not in names for name in responses.solvers])
    solvers = tuple(n for n, h in zip(responses.solvers, here, strict=True) if h)
    if isinstance(responses, Matrix):
        tried = responses.tried if isinstance(responses.tried, int) else responses.tried[here]
        return replace(responses, solved=responses.solved[here], tried=tried, solvers=solvers)
    rank = np.cumsum(here) - 1
    kept = here[responses.solver]
    return replace(
        responses,
        solver=rank[responses.solver[kept]],
        item=responses.item[kept],
        solved=responses.solved[kept],
        tried=responses.tried[kept],
        solvers=solvers,
    )


def guess_floors(items: Sequence[str], problems: Mapping[str, Problem]) -> np.ndarray:
    """(item,) chance of a guess; 0 for items of no family."""
    known = set(registry.names())
    floor = np.zeros(len(items))
    for i, item in enumerate(items):
        problem = problems.get(item)
        if problem is not None and problem.family in known:
            floor[i] = min(registry.get(problem.family).floor(problem.knobs), 0.99)
    return floor


# -- what is kept -----------------------------------------------------------------------------


def _kept(run: Run | None, key: str) -> Bank | None:
    """The run's bank of this key, where it has one."""
    known = None if run is None else run.read_result("calibration")
    if run is None or not isinstance(known, Mapping) or known.get("source") != key:
        return None
    path = run.banks / str(known.get("bank"))
    if not path.exists():
        return None
    bank = banks.read(path)
    return replace(bank, fit={**bank.fit, "reused": True})


def _keep(run: Run, bank: Bank, problems: Mapping[str, Problem]) -> None:
    path = run.add_bank(bank)
    result = describe_calibration(bank, problems)
    result |= {"bank": path.name, "source": bank.fit["source"]}
    result["attempts"] = int(np.nansum(bank.tried))
    run.write_result("calibration", result)


def _level_correlations(bank: Bank, problems: Mapping[str, Problem]) -> dict[str, Estimate]:
    """Family -> Spearman's correlation of difficulty with level."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for item, difficulty in zip(bank.items, bank.difficulty, strict=True):
        problem = problems.get(item)
        if problem is not None and problem.level is not None and np.isfinite(difficulty):
            rows.setdefault(problem.family or "(file)", []).append((problem.level, difficulty))
    return {
        family: spearman(*np.array(pairs, dtype=float).T) for family, pairs in sorted(rows.items())
    }
