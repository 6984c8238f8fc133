"""The command `gradatim`: finds the verbs, turns errors into one line and an exit code.

Exit codes: 0 done; 1 the negative answer that was asked for; 2 a user's mistake; 3 a solver or
engine failed and the run can be resumed; 130 interrupted: the message says whether the same
command resumes or starts over.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import gradatim
from gradatim.cli.output import one_line
from gradatim.errors import ArgumentError, FormatError, GradatimError, MissingExtra, missing

VERBS = (
    "demo",
    "doctor",
    "families",
    "solvers",
    "recipes",
    "generate",
    "read",
    "attempt",
    "calibrate",
    "rate",
    "grade",
    "aim",
    "choose",
    "select",
    "train",
    "evaluate",
    "compare",
    "study",
    "audit",
    "report",
)

# the others keep nothing half done
RESUMING = ("demo", "attempt", "grade", "aim", "train", "evaluate", "study")

USAGE_ERROR: Any = typer.BadParameter.__base__  # typer's usage error has no public name


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"gradatim {gradatim.__version__}\n")
        raise typer.Exit


def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the problems a model is ready for, spend attempts where they tell most."""


def build(verbs: Sequence[str] = VERBS) -> typer.Typer:
    """The command with these verbs, each from its file here."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for verb in verbs:
        if importlib.util.find_spec(f"gradatim.cli.{verb}"):
            module = importlib.import_module(f"gradatim.cli.{verb}")
            app.command(verb)(getattr(module, verb))
    return app


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    argv = argv or ["--help"]
    try:
        asked = _verb(argv)  # one verb alone starts in half the time of all
        code = build([asked] if asked in VERBS else VERBS)(argv, standalone_mode=False)
        if code == 130:  # typer answers Ctrl-C itself
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except USAGE_ERROR as error:
        verb = _verb(argv)
        at = f"gradatim {verb} --help" if verb in VERBS else "gradatim --help"
        sys.stderr.write(f"gradatim: {one_line(error.format_message())} (see {at})\n")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        goes_on = "resumes" if _verb(argv) in RESUMING else "starts over"
        sys.stderr.write(f"\ninterrupted; the same command {goes_on}\n")
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except GradatimError as error:
        if "--debug" in argv:
            raise
        sys.stderr.write(f"gradatim: {one_line(error)}\n")
        return 2 if isinstance(error, ArgumentError | FormatError | MissingExtra) else 3
    except ModuleNotFoundError as error:  # a part whose modules import an extra at their top
        known = missing(error)
        if not isinstance(known, MissingExtra):
            raise
        sys.stderr.write(f"gradatim: {known}\n")
        return 2


def _verb(argv: list[str]) -> str:
    return next((word for word in argv if not word.startswith("-")), "")


def main() -> None:
    """Entry point of the console script and of `python -m gradatim`."""
    sys.exit(run(sys.argv[1:]))
