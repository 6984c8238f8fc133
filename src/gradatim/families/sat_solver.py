"""Clauses read from a prompt, and a solver for them that shares nothing with their makers."""

import re
from functools import lru_cache

from gradatim.errors import MissingExtra, extra


@lru_cache(maxsize=4096)
def read(prompt: str) -> tuple[int, list[list[int]]]:
    """Variables and clauses (signed numbers) from the prompt's text."""
    lines = prompt.split("\n")
    letters = re.findall(r"\b[A-Z]\b", lines[-1].split(" values of ")[1].split(" in this order")[0])
    numbers = {letter: i + 1 for i, letter in enumerate(letters)}
    clauses = []
    for line in lines[1:-1]:
        parts = re.findall(r"(not )?([A-Z])\b", line)
        clauses.append([-numbers[letter] if sign else numbers[letter] for sign, letter in parts])
    return len(letters), clauses


def search(k: int, clauses: list[list[int]]) -> str | None:
    """Digits that satisfy signed clauses by CaDiCaL, else by trying all; None if nothing does.

    Raises:
        MissingExtra: python-sat is not installed and there are 20 letters or more.
    """
    try:
        solvers = extra("pysat.solvers", "sat")
    except MissingExtra:
        if k >= 20:
            raise
        for number in range(1 << k):
            digits = format(number, f"0{k}b")
            if all(any((digits[abs(x) - 1] == "1") == (x > 0) for x in c) for c in clauses):
                return digits
        return None
    with solvers.Solver(name="cadical153", bootstrap_with=clauses) as solver:
        if not solver.solve():
            return None
        true = {x for x in solver.get_model() if x > 0}
    return "".join("1" if v in true else "0" for v in range(1, k + 1))
