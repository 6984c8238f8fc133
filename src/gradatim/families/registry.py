"""Which families there are, by name; a family is imported when it is first used."""

import importlib
import warnings
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gradatim.checks import one_of
from gradatim.errors import ArgumentError
from gradatim.types import Family

FAMILIES = {
    "blocksworld": "gradatim.families.blocksworld:FAMILY",
    "blocksworld.lexicographic": "gradatim.families.blocksworld:LEXICOGRAPHIC",
    "blocksworld.mystery": "gradatim.families.blocksworld:MYSTERY",
    "checker_jumping": "gradatim.families.checker_jumping:FAMILY",
    "knapsack": "gradatim.families.knapsack:FAMILY",
    "knapsack.value": "gradatim.families.knapsack:VALUE",
    "knights": "gradatim.families.knights:FAMILY",
    "lists": "gradatim.families.lists:FAMILY",
    "lists.absolute_difference": "gradatim.families.lists_modes:ABSOLUTE_DIFFERENCE",
    "lists.alternating_sum": "gradatim.families.lists_modes:ALTERNATING_SUM",
    "lists.comparison": "gradatim.families.lists_modes:COMPARISON",
    "lists.count_greater_than_previous": "gradatim.families.lists_modes:ASCENTS",
    "lists.count_multiples": "gradatim.families.lists_modes:COUNT_MULTIPLES",
    "lists.count_negative": "gradatim.families.lists_modes:COUNT_NEGATIVE",
    "lists.count_palindromic": "gradatim.families.lists_modes:COUNT_PALINDROMIC",
    "lists.count_perfect_squares": "gradatim.families.lists_modes:COUNT_PERFECT_SQUARES",
    "lists.count_unique": "gradatim.families.lists_modes:COUNT_UNIQUE",
    "lists.division": "gradatim.families.lists_modes:DIVISION",
    "lists.even_count": "gradatim.families.lists_modes:EVEN_COUNT",
    "lists.find_maximum": "gradatim.families.lists_modes:FIND_MAXIMUM",
    "lists.find_minimum": "gradatim.families.lists_modes:FIND_MINIMUM",
    "lists.index_of_maximum": "gradatim.families.lists_modes:INDEX_OF_MAXIMUM",
    "lists.local_maxima_count": "gradatim.families.lists_modes:LOCAL_MAXIMA_COUNT",
    "lists.longest_increasing_subsequence": "gradatim.families.lists_modes:INCREASING",
    "lists.max_adjacent_difference": "gradatim.families.lists_modes:MAX_ADJACENT_DIFFERENCE",
    "lists.mean": "gradatim.families.lists_modes:MEAN",
    "lists.median": "gradatim.families.lists_modes:MEDIAN",
    "lists.mode": "gradatim.families.lists_modes:MODE",
    "lists.multiplication": "gradatim.families.lists_modes:MULTIPLICATION",
    "lists.odd_count": "gradatim.families.lists_modes:ODD_COUNT",
    "lists.range": "gradatim.families.lists_modes:RANGE",
    "lists.reverse": "gradatim.families.lists_modes:REVERSE",
    "lists.second_maximum": "gradatim.families.lists_modes:SECOND_MAXIMUM",
    "lists.select": "gradatim.families.lists_modes:SELECT",
    "lists.sorting": "gradatim.families.lists_modes:SORTING",
    "lists.subtraction": "gradatim.families.lists_modes:SUBTRACTION",
    "lists.sum": "gradatim.families.lists_modes:SUM",
    "lists.sum_of_digits": "gradatim.families.lists_modes:SUM_OF_DIGITS",
    "lists.sum_of_max_indices": "gradatim.families.lists_modes:SUM_OF_MAX_INDICES",
    "arithmetic": "gradatim.families.arithmetic:FAMILY",
    "arithmetic.base": "gradatim.families.bases:FAMILY",
    "arithmetic.chain": "gradatim.families.arithmetic:CHAIN",
    "arithmetic.expression": "gradatim.families.expressions:FAMILY",
    "arithmetic.fraction": "gradatim.families.fraction_sums:FAMILY",
    "arithmetic.gcd": "gradatim.families.divisors:GCD",
    "arithmetic.lcm": "gradatim.families.divisors:LCM",
    "arithmetic.modular": "gradatim.families.modular:FAMILY",
    "arithmetic.polynomial": "gradatim.families.polynomials:FAMILY",
    "arithmetic.sum": "gradatim.families.arithmetic:SUM",
    "horizon": "gradatim.families.horizon:FAMILY",
    "horizon.multi": "gradatim.families.horizon:MULTI",
    "horizon.single": "gradatim.families.horizon:SINGLE",
    "logic_grid": "gradatim.families.logic_grid:FAMILY",
    "mazes": "gradatim.families.mazes:FAMILY",
    "mazes.shortest": "gradatim.families.mazes:SHORTEST",
    "river_crossing": "gradatim.families.river_crossing:FAMILY",
    "sat": "gradatim.families.sat:FAMILY",
    "hanoi": "gradatim.families.hanoi:FAMILY",
    "hanoi.shortest": "gradatim.families.hanoi:SHORTEST",
    "cryptarithm": "gradatim.families.cryptarithm:FAMILY",
    "graph_coloring": "gradatim.families.graph_coloring:FAMILY",
    "graph_coloring.k3": "gradatim.families.graph_coloring:K3",
    "n_queens": "gradatim.families.n_queens:FAMILY",
    "sat.decide": "gradatim.families.sat_modes:DECIDE",
    "sat.ratio3": "gradatim.families.sat_modes:RATIO3",
    "sudoku": "gradatim.families.sudoku:FAMILY",
    "sudoku.4": "gradatim.families.sudoku:SIDE_4",
    "sudoku.6": "gradatim.families.sudoku:SIDE_6",
    "sudoku.9": "gradatim.families.sudoku:SIDE_9",
    "subset_sum": "gradatim.families.subset_sum:FAMILY",
    "tsp": "gradatim.families.tsp:FAMILY",
    "sequences": "gradatim.families.sequences:FAMILY",
    "sequences.algebraic": "gradatim.families.sequences:ALGEBRAIC",
    "sequences.fibonacci": "gradatim.families.sequences:FIBONACCI",
    "sequences.geometric": "gradatim.families.sequences:GEOMETRIC",
    "sequences.pattern": "gradatim.families.sequences:PATTERN",
    "sequences.prime": "gradatim.families.sequences:PRIME",
    "arithmetic.unsolvable": "gradatim.families.twins_numbers:ARITHMETIC",
    "equations.unsolvable": "gradatim.families.twins_equations:EQUATIONS",
    "graph_coloring.unsolvable": "gradatim.families.twins_logic:COLORING",
    "knights.unsolvable": "gradatim.families.twins_knights:KNIGHTS",
    "lists.unsolvable": "gradatim.families.twins_numbers:LISTS",
    "n_queens.unsolvable": "gradatim.families.twins_queens:QUEENS",
    "mazes.unsolvable": "gradatim.families.twins_puzzles:MAZES",
    "sudoku.unsolvable": "gradatim.families.twins_puzzles:SUDOKU",
    "sat.unsolvable": "gradatim.families.twins_logic:SAT",
    "subset_sum.unsolvable": "gradatim.families.twins_numbers:SUBSET_SUM",
    "compositions": "gradatim.families.compositions:FAMILY",
    "compositions.differences_sort": "gradatim.families.compositions:DIFFERENCES_SORT",
    "compositions.roots": "gradatim.families.compositions:ROOTS",
    "compositions.roots_gcd": "gradatim.families.compositions:ROOTS_GCD",
    "compositions.sort_chain": "gradatim.families.compositions:SORT_CHAIN",
}
GROUP = "gradatim.families"
# whole packages whose families come in under a prefix, by (name) -> Family; not listed by `names`
BRIDGES = {"reasoning_gym.": "gradatim.integrations.reasoning_gym:family"}


@cache
def _where() -> dict[str, str]:
    """Ours and those that installed packages register; ours keep their names."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)} | FAMILIES


@cache
def refused() -> dict[str, str]:
    """Entries of packages that bear names of ours, as PACKAGE:NAME, and why they are not used."""
    out = {}
    for entry in entry_points(group=GROUP):
        if entry.name in FAMILIES:
            package = entry.dist.name if entry.dist else entry.value.partition(":")[0]
            out[f"{package}:{entry.name}"] = (
                f"family '{entry.name}' of the package '{package}' is refused: gradatim has a "
                f"family of that name; register it as '{package}.{entry.name}'"
            )
    return out


def bridged(name: str) -> bool:
    """Whether a name is for a package's bridge to resolve.

    >>> bridged("reasoning_gym.chain_sum"), bridged("sat")
    (True, False)
    """
    return name not in _where() and name.startswith(tuple(BRIDGES))


def names() -> list[str]:
    """Names of all families, sorted."""
    return sorted(_where())


def found(name: str) -> Any:
    """What is registered under a name, as it is: ours, or a package's that may pass no gate.

    Raises:
        ArgumentError: there is none (names the nearest), or it cannot be imported.
    """
    one_of("family", name, _where(), brief="the names that `gradatim families` lists")
    module, _, attribute = _where()[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        if name in FAMILIES:
            raise
        raise ArgumentError(
            f"family '{name}' is refused: gate 'extractable': {module}:{attribute} "
            f"raised {type(error).__name__}: {error}"
        ) from None


@cache
def get(name: str) -> Family:
    """The family of that name. Those that other packages register must pass the five gates first.

    Raises:
        ArgumentError: there is none (lists the names), or it fails a gate (which, on which item).

    >>> get("sat").name
    'sat'
    """
    if name in FAMILIES:
        for entry, why in refused().items():
            if entry.endswith(f":{name}"):
                warnings.warn(why, stacklevel=2)
        return found(name)
    for prefix, value in BRIDGES.items():
        if str(name).startswith(prefix):
            module, _, attribute = value.partition(":")
            return getattr(importlib.import_module(module), attribute)(name)
    from gradatim.families.templates import admitted  # which needs this module

    return admitted(name, found(name))


def _row(family: Family) -> dict[str, Any]:
    shown = {level: family.ladder(level) for level in (1, 5, 10)}
    return {
        "name": family.name,
        "doc": family.doc,
        "version": family.version,
        "knobs": {name: knob._asdict() for name, knob in family.knobs.items()},
        "ladder": {str(level): knobs for level, knobs in shown.items()},
        "floor": {str(level): family.floor(knobs) for level, knobs in shown.items()},
        "space": {str(level): family.space(knobs) for level, knobs in shown.items()},
        "solver": family.solve is not None,
        "effort_unit": family.effort_unit,
    }


def _listed(name: str) -> dict[str, Any]:
    try:
        return _row(get(name))
    except ArgumentError as error:
        if name in FAMILIES:
            raise
        return {"name": name, "refused": str(error)}


def list_families() -> list[dict[str, Any]]:
    """Every family: name, doc, knobs, effort unit; ladder, floor, space at levels 1, 5 and 10.

    A package's family that fails a gate has `name` and `refused` only, and so has one that bears a
    name of ours, as PACKAGE:NAME.

    >>> {"arithmetic", "lists", "sat"} <= {row["name"] for row in list_families()}
    True
    """
    taken = [{"name": name, "refused": why} for name, why in refused().items()]
    return [_listed(name) for name in names()] + taken
