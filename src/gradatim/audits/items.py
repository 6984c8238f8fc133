"""Wrong answer keys among the items, and what items nobody can judge."""

from typing import Any

import numpy as np

from gradatim.audits.subject import Subject, finding
from gradatim.evaluation.items import FEWEST, find_wrong_keys
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate

KINDS = (2, 12)  # values that a column may have to tell kinds of items apart
MEMBERS = 20  # items that a kind must have
LISTED = 200  # items named in full


def find_items(subject: Subject) -> dict[str, Any] | None:
    """Items that abler solvers get wrong more often, or that are far too hard for their kind."""
    matrix, bank = subject.matrix, subject.bank
    if matrix is None or bank is None or np.isfinite(bank.ability).sum() < FEWEST:
        return None
    tried = np.asarray(matrix.tried)
    label, kinds = kinds_of(subject)
    known = subject.known
    keys = find_wrong_keys(
        matrix.solved,
        tried,
        bank.ability if known is None else known.bank.ability,
        curves=None if known is None else known.curves,
        within=float(bank.fit.get("overdispersion", 0.0)),
        kinds=kinds,
        alarm=subject.alarm,
    )
    flat = int(keys.undecidable.sum())
    rate = pass_rate(np.array([flat]), np.array([len(matrix.items)]))
    notes = []
    if flat:
        notes.append(
            f"{flat:,} of {len(matrix.items):,} items were solved by all or by none: whether "
            "their key is right cannot be told from who solved them"
        )
    named = np.flatnonzero(keys.named)
    named = named[np.argsort(-keys.wrong[named], kind="stable")]
    findings = []
    for item in named[:LISTED]:
        r, n = float(keys.correlation[item]), int(tried[:, item].astype(bool).sum())
        solved = float(matrix.solved[:, item].sum() / max(tried[:, item].sum(), 1))
        how = (
            f"abler solvers do not do better on it (correlation {r:.2f} over {n} solvers)"
            if np.isfinite(r)
            else f"{'all' if solved else 'none'} of {n} solvers solved it"
        )
        words = f"item {matrix.items[item]!r}, solved {100 * solved:.0f}%: {how}"
        findings.append(
            finding(
                "wrong key",
                [matrix.items[item]],
                words,
                remedy="check its answer key; correct it, or drop the item",
                chance=float(keys.wrong[item]),
                correlation=r,
                solved=solved,
                solvers=n,
            )
        )
    if len(named) > LISTED:
        notes.append(f"{len(named) - LISTED:,} more items are suspect and not listed")
    kind = f" of {len(set(kinds.tolist()))} kinds by {label!r}" if kinds is not None else ""
    return {
        "looked_at": f"{len(matrix.items):,} items{kind}, answered by {len(matrix.solvers):,}",
        "findings": findings,
        "notes": notes,
        "share_wrong": keys.share,
        "undecidable": Estimate(
            float(rate.value[0]), float(rate.low[0]), float(rate.high[0]), len(matrix.items)
        ),
    }


def kinds_of(subject: Subject) -> tuple[str, np.ndarray | None]:
    """The column that tells kinds of items of unlike difficulty apart best, if one does."""
    assert subject.matrix is not None
    tried = np.asarray(subject.matrix.tried, dtype=float)
    rate = (subject.matrix.solved.sum(axis=0) + 0.5) / (tried.sum(axis=0) + 1)
    best: tuple[float, str, np.ndarray | None] = (0.05, "", None)  # of the variance, at least
    for name, column in labels_of(subject).items():
        code = np.unique(column, return_inverse=True)[1].reshape(-1)
        size = np.bincount(code)
        means = np.bincount(code, weights=rate) / size
        told = float((size * (means - rate.mean()) ** 2).sum() / ((rate - rate.mean()) ** 2).sum())
        if size.min() >= MEMBERS and told > best[0]:
            best = (told, name, column)
    return best[1], best[2]


def labels_of(subject: Subject) -> dict[str, np.ndarray]:
    """Columns of items with a few values."""
    found = {}
    for name, column in subject.of_item.items():
        values = np.unique(column)
        if KINDS[0] <= len(values) <= KINDS[1]:
            found[name] = column
    return found
