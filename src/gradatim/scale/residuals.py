"""What solvers did beside what the scale expects of them: the material of all fit statistics.

Axes: `cell`, `person` and `item` in the bank's order.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.cells import check_responses
from gradatim.scale.curves import evaluate
from gradatim.scale.overdispersion import worth
from gradatim.types import Bank, Responses

KINK = np.pi / 8  # probit-like scale: E s(x + sd z) is about s(x / sqrt(1 + KINK sd^2))


class Residuals(NamedTuple):
    """Cells of a bank's items and solvers, with counts reduced to what they are worth.

    Attributes:
        person, item: (cell,) int, indices into the bank.
        solved, tried: (cell,) float, n attempts as n / (1 + (n - 1) r) of them.
        chance: (cell,) P at the estimates.
        slope: (cell,) dP / d ability.
        leverage: (cell,) share of the residual's variance that the fit took away, < 1.
        ability, sd: (person,) estimate, and posterior spread given the items.
        rest, rest_sd: (cell,) the same without the cell's own item (one Newton step back).
    """

    person: np.ndarray
    item: np.ndarray
    solved: np.ndarray
    tried: np.ndarray
    chance: np.ndarray
    slope: np.ndarray
    leverage: np.ndarray
    ability: np.ndarray
    sd: np.ndarray
    rest: np.ndarray
    rest_sd: np.ndarray


def find_residuals(responses: Responses, bank: Bank) -> Residuals:
    """Responses beside the bank that they were fitted to, matched by name.

    Args:
        responses: cells of other items or solvers are left out.
        bank: cells of items or solvers without estimates are left out too.

    Returns:
        Residuals, cells in order of item, then person.

    Raises:
        ArgumentError: no cell is left.

    >>> from gradatim.scale import irt
    >>> data = Responses(solver=np.array([0, 0, 1, 1]), item=np.array([0, 1, 0, 1]),
    ...     solved=np.array([9.0, 2.0, 3.0, 0.0]), tried=np.full(4, 10),
    ...     solvers=("able", "weak"), items=("easy", "hard"))
    >>> find_residuals(data, irt.fit(data)).item
    array([0, 0, 1, 1])
    """
    check_responses(responses)
    person, item = (
        np.array([{n: i for i, n in enumerate(known)}.get(name, -1) for name in names])[index]
        for known, names, index in (
            (bank.solvers, responses.solvers, responses.solver),
            (bank.items, responses.items, responses.item),
        )
    )
    kept = (person >= 0) & (item >= 0)
    kept &= np.isfinite(bank.ability)[person] & np.isfinite(bank.difficulty)[item]
    if not kept.any():
        raise ArgumentError(
            "`responses` and `bank` share no cell: no solver of the bank answered an item of it "
            f"(responses start with {responses.solvers[0]!r} on {responses.items[0]!r})"
        )
    order = np.lexsort((person, item))
    order = order[kept[order]]
    person, item = person[order], item[order]
    n = np.asarray(responses.tried, float)[order]
    share = worth(n, float(bank.fit.get("overdispersion", 0.0)))
    k, n = np.asarray(responses.solved, float)[order] * share, n * share
    return _with_curves(bank, person, item, (k, n))


def _with_curves(
    bank: Bank, person: np.ndarray, item: np.ndarray, counts: tuple[np.ndarray, np.ndarray]
) -> Residuals:
    k, n = counts
    a, b = bank.discrimination[item], bank.difficulty[item]
    ability = np.where(np.isfinite(bank.ability), bank.ability, 0.0)
    ends = bank.floor[item], None if bank.ceiling is None else bank.ceiling[item]
    log_p, _, up, down = evaluate(a * (ability[person] - b), *ends)
    chance = np.exp(log_p)
    slope = a * up * chance
    told = n * a * a * up * down  # information about ability
    total = np.bincount(person, weights=told, minlength=len(ability)) + 1  # and the prior's
    pull = np.bincount(person, weights=a * (k * up - (n - k) * down), minlength=len(ability))
    left = np.maximum(total[person] - told, 1.0)
    # the posterior mode without this item: one step back along its own pull
    own = a * (k * up - (n - k) * down)
    rest = ability[person] + (pull[person] - ability[person] - own) / left
    rest = np.where(np.abs(rest - ability[person]) < 3, rest, ability[person])
    leverage = told / total[person] + _item_leverage(bank, ability[person], (item, n * up * down))
    return Residuals(
        person,
        item,
        k,
        n,
        np.clip(chance, 1e-12, 1 - 1e-12),
        slope,
        np.clip(leverage, 0, 0.9),
        ability,
        1 / np.sqrt(total),
        rest,
        1 / np.sqrt(left),
    )


def _item_leverage(
    bank: Bank, theta: np.ndarray, cells: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(cell,) w z' (sum w z z' + prior)^-1 z with z = (1, theta); slopes alone where a is shared.

    The prior's part keeps items that everybody solved from taking all of their variance.
    """
    item, weight = cells
    size = len(bank.items)
    s0, s1, s2 = (np.bincount(item, weights=weight * theta**j, minlength=size) for j in range(3))
    s0 = s0 + 1 / 16
    if str(bank.fit.get("model", "2pl")) in ("rasch", "1pl"):
        return weight / s0[item]
    s2 = s2 + 1
    det = np.maximum(s0 * s2 - s1**2, 1e-12)[item]
    return weight * (s2[item] - 2 * theta * s1[item] + theta**2 * s0[item]) / det


def split_abilities(cells: Residuals, n_groups: int | None = None) -> np.ndarray:
    """(cell,) int: group of the solver by ability without the cell's item, from weak to able.

    Args:
        cells: residuals.
        n_groups: groups of about equally many solvers; None for one in eight solvers, 3 to 8.

    An ability that holds the item's own answer would sort the answers, not the solvers.
    """
    here = np.unique(cells.person)
    n = int(np.clip(len(here) // 8, 3, 8)) if n_groups is None else n_groups
    checks.within(1, 1000, n_groups=n)
    cuts = np.quantile(cells.ability[here], np.arange(1, n) / n)
    return np.searchsorted(cuts, cells.rest, side="right")
