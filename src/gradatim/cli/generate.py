"""The verb `generate`: problems of a family, as JSONL."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, emit
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate as make_problems
from gradatim.families.mixtures import mix
from gradatim.families.read import save, to_row


def generate(
    family: Annotated[
        str,
        typer.Argument(
            help="Which: see `gradatim families`. Or a mixture: NAME=WEIGHT,NAME=WEIGHT, "
            "NAME:LEVEL=WEIGHT for one level, or a .json file of such weights, "
            '{"sat": 2, "lists": {"1": 3, "5": 1}}.'
        ),
    ],
    n: Annotated[int, typer.Option("-n", help="How many problems.")] = 10,
    level: Annotated[
        str | None, typer.Option(help="A or A:B, 1 (easiest) to 10, taken in turn.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Any whole number.")] = 0,
    split: Annotated[str, typer.Option(help="train or test; no problem is in both.")] = "train",
    knob: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, replaces the level's; repeatable.")
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="No problem twice.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; else stdout.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make problems at a chosen difficulty: the same call gives the same problems everywhere.

    Of a mixture as many come from each family and level as its weight says, evenly mixed, and
    they are the same as without the others: `gradatim generate sat=2,lists:5=1 -n 300`.

    Example: gradatim generate sat -n 200 --level 1:10 --seed 0 --split train -o sat.jsonl
    """
    knobs, levels = parse_knobs(knob or ()), parse_levels(level)
    weights = parse_weights(family)
    if weights is not None:
        if knobs:
            raise ArgumentError(
                "`--knob` is for one family; a mixture takes levels, NAME:LEVEL=WEIGHT"
            )
        problems = mix(weights, n=n, levels=levels, seed=seed, split=split, unique=unique)
    else:
        problems = make_problems(
            family, n=n, level=levels, seed=seed, split=split, unique=unique, **knobs
        )
    if out is not None:
        save(out, problems)
        sys.stderr.write(f"{len(problems):,} problems in {out}\n")
        if as_json:
            emit({"problems": len(problems), "file": str(out)}, as_json=True, text="")
        return
    if as_json:  # one value: a list; without it one problem a line, which pipes like better
        emit([to_row(problem) for problem in problems], as_json=True, text="")
        return
    for problem in problems:
        sys.stdout.write(json.dumps(to_row(problem), ensure_ascii=False) + "\n")


def parse_levels(text: str | None) -> list[int] | None:
    """Levels of "3" or "1:10", both ends included.

    >>> parse_levels("2:4")
    [2, 3, 4]
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        low = int(first)
        high = int(last) if colon else low
    except ValueError:
        low, high = 1, 0
    if not 1 <= low <= high <= 10:
        raise ArgumentError(f"`--level` must be A or A:B with 1 <= A <= B <= 10, got {text!r}")
    return list(range(low, high + 1))


def parse_weights(text: str) -> dict[str, Any] | None:
    """Weights of a mixture, from NAME=WEIGHT,... or a .json file; None where it names one family.

    >>> parse_weights("sat=2,lists:1=3,lists:5=1"), parse_weights("sat")
    ({'sat': 2.0, 'lists': {1: 3.0, 5: 1.0}}, None)
    """
    if text.endswith(".json"):
        return _weights_file(Path(text))
    if "=" not in text and "," not in text:
        return None
    cells: dict[tuple[str, int | None], float] = {}
    for part in text.split(","):
        name, level, weight = _share(part)
        if (
            any(other == name and None in (level, of) for other, of in cells)
            or (name, level) in cells
        ):
            raise ArgumentError(f"a mixture names each family or level once, got {part!r} again")
        cells[name, level] = weight
    weights: dict[str, Any] = {}
    for (name, level), weight in cells.items():
        if level is None:
            weights[name] = weight
        else:
            weights.setdefault(name, {})[level] = weight
    return weights


def _share(part: str) -> tuple[str, int | None, float]:
    """Name, level and weight of NAME=WEIGHT or NAME:LEVEL=WEIGHT."""
    where, _, weight = part.partition("=")
    name, colon, level = (text.strip() for text in where.partition(":"))
    try:
        if name:
            return name, int(level) if colon else None, float(weight)
    except ValueError:
        pass
    raise ArgumentError(
        f"a mixture is NAME=WEIGHT or NAME:LEVEL=WEIGHT, with commas between, got {part!r}"
    )


def _weights_file(path: Path) -> dict[str, Any]:
    """{"sat": 2, "lists": {"1": 1, "5": 3}}: weights of families, or of their levels."""
    expected = '{"family": weight} or {"family": {"level": weight}}'
    if not path.is_file():
        raise FormatError(path, expected="a file", got="nothing of that name")
    try:
        weights = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(path, expected=expected, got=str(error)) from None
    if not isinstance(weights, dict):
        raise FormatError(path, expected=expected, got=f"{weights!r:.60}")
    for name, own in weights.items():
        if isinstance(own, dict):
            if not all(level.isdecimal() for level in own):
                raise FormatError(path, field=name, expected="levels 1 to 10", got=", ".join(own))
            weights[name] = {int(level): weight for level, weight in own.items()}
    return weights


def parse_knobs(given: list[str] | tuple[()]) -> dict[str, str]:
    """Knobs of NAME=VALUE; the family turns values into numbers.

    >>> parse_knobs(["length=7"])
    {'length': '7'}
    """
    knobs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ArgumentError(f"`--knob` must be NAME=VALUE, got {text!r}")
        if name in knobs:
            raise ArgumentError(f"`--knob` names each knob once, got {text!r} again")
        knobs[name] = value
    return knobs
