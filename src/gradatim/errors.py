"""Errors a user can meet. Each also is the standard error it refines.

GradatimError
├── ArgumentError(ValueError)     a bad argument: which, what it got, what is allowed
├── FormatError(ValueError)       a bad file: file, line, field, expected, got, remedy
├── StoreError(RuntimeError)      a run folder or ledger cannot be used now: locked, disk full
├── SolverError(RuntimeError)     a solver failed; what was paid for is in the ledger
└── MissingExtra(ImportError)     an optional part is not installed: prints the install line

The command ends with 2 for the first two and MissingExtra, with 3 for the others.
"""

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class GradatimError(Exception):
    """Base of every error that gradatim raises on purpose."""


class ArgumentError(GradatimError, ValueError):
    """An argument is outside what is allowed."""


class FormatError(GradatimError, ValueError):
    """A file does not say what it should.

    Attributes:
        file, line, field: where; line counts from 1 and is None where a file has no lines.
    """

    def __init__(
        self,
        file: object,
        *,
        line: int | None = None,
        field: str | None = None,
        expected: str,
        got: str,
        remedy: str = "",
    ) -> None:
        self.file, self.line, self.field = str(file), line, field
        where = str(file) + (f":{line}" if line is not None else "")
        where += f": field '{field}'" if field is not None else ""
        tail = f"; {remedy}" if remedy else ""
        super().__init__(f"{where}: expected {expected}, got {got}{tail}")


class StoreError(GradatimError, RuntimeError):
    """The run folder cannot be written or read now; nothing acknowledged is lost."""


class SolverError(GradatimError, RuntimeError):
    """A solver could not answer; attempts finished before it are in the ledger."""


class MissingExtra(GradatimError, ImportError):
    """A part that is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this needs the package '{module}': pip install \"gradatim[{extra}]\"",
            name=module,
        )


# packages that some of our modules import at their top, and the extra that brings each
EXTRAS = {
    "torch": "tiny",
    "pysat": "sat",
    "sympy": "math",
    "math_verify": "math",
    "numba": "fast",
}


def missing(error: ModuleNotFoundError) -> Exception:
    """The install line for a package of an extra; any other error as it is.

    >>> print(missing(ModuleNotFoundError("no torch", name="torch")))
    this needs the package 'torch': pip install "gradatim[tiny]"
    """
    module = (error.name or "").split(".")[0]
    return MissingExtra(module, EXTRAS[module]) if module in EXTRAS else error


def nearest(name: str, options: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the closest option, or an empty string.

    >>> nearest("unifrom", ["uniform", "window"])
    "; did you mean 'uniform'?"
    """
    close = difflib.get_close_matches(name, list(options), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def extra(module: str, name: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Raises:
        MissingExtra: with the exact install line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == module.split(".")[0]:
            raise MissingExtra(module.split(".")[0], name) from None
        raise
