"""The verb `evaluate`: where a solver stands, from a fraction of a bank's problems."""

from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.attempt import Settings
from gradatim.cli.output import Json, Quiet, emit, on_lines, reporter
from gradatim.errors import ArgumentError
from gradatim.reports.evaluation import figure_path, save_figure
from gradatim.solvers.registry import parse_options
from gradatim.standings.evaluate import evaluate as test_solver
from gradatim.types import Estimate

STOPS = {
    "se": "the standard error is small enough",
    "change": "the score stands still",
    "cut": "the interval lies on one side of the cut",
    "max_items": "the number of questions is reached",
    "max_attempts": "the attempts are spent",
    "max_tokens": "the tokens are spent",
    "bank": "the bank has no more questions",
}
REPLAY = ("holdout", "items", "compare_random", "halves", "groups")  # of a replay only
BOTH = ("criterion", "balance", "top", "progressive", "max_exposure", "stop_change", "stop_steps")
BOTH += ("cut", "seed", "figure", "as_json", "quiet")
NAMES = {"solver": "SOLVER", "settings": "--set"}


def evaluate(
    context: typer.Context,
    solver: Annotated[
        str | None, typer.Argument(help="Who is tested: see `gradatim solvers`.")
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option("--bank", "-b", help="Bank file, or the run folder that holds it."),
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="JSONL file of the bank's problems; else the run's.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", "-r", help="Where attempts go; else the bank's run.")
    ] = None,
    criterion: Annotated[
        str, typer.Option(help="variance (of the score), information or random.")
    ] = "variance",
    balance: Annotated[
        str | None, typer.Option(help="Keep shares of kinds: family, level, or another field.")
    ] = None,
    top: Annotated[int, typer.Option(help="Draw each question among this many best.")] = 1,
    progressive: Annotated[
        float, typer.Option(help="Begin by chance: worth counts (step / steps) ^ this; 0: fully.")
    ] = 0.0,
    max_exposure: Annotated[
        float, typer.Option(help="Close an item once this share of tests have had it.")
    ] = 1.0,
    stop_se: Annotated[
        float | None,
        typer.Option(
            help="Stop at this standard error, logits; 0.25 where no other stop is given."
        ),
    ] = None,
    stop_change: Annotated[
        float | None, typer.Option(help="Stop when the score moves by less than this.")
    ] = None,
    stop_steps: Annotated[int, typer.Option(help="... for so many questions.")] = 10,
    cut: Annotated[
        float | None, typer.Option(help="Stop when the score is surely above or below this.")
    ] = None,
    max_items: Annotated[int, typer.Option(help="Most questions.")] = 100,
    max_attempts: Annotated[int | None, typer.Option(help="Most attempts.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Stop after these tokens.")] = None,
    samples: Annotated[int, typer.Option("--samples", "-k", help="Attempts per question.")] = 1,
    batch: Annotated[int, typer.Option(help="Questions asked together.")] = 1,
    warm: Annotated[
        str | None,
        typer.Option(help="Begin from an earlier test: its run, or BANK.parquet:SOLVER."),
    ] = None,
    drift: Annotated[
        float, typer.Option(help="With --warm: sd of what changed since, logits.")
    ] = 0.5,
    recorded: Annotated[
        Path | None,
        typer.Option(help="Results that the bank was fitted to, for misfit; else looked for."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of draws.")] = 0,
    replay: Annotated[
        Path | None,
        typer.Option(help="Recorded matrix (.npz) to try adaptive tests on; no SOLVER, no --bank."),
    ] = None,
    holdout: Annotated[
        float, typer.Option(help="With --replay: share of models held out at a time.")
    ] = 0.1,
    items: Annotated[int, typer.Option(help="With --replay: questions of an adaptive test.")] = 50,
    compare_random: Annotated[
        int, typer.Option(help="With --replay: random items whose plain mean is compared.")
    ] = 100,
    halves: Annotated[
        int, typer.Option(help="With --replay: pool intervals of tests on this many item halves.")
    ] = 0,
    groups: Annotated[
        Path | None, typer.Option(help="With --replay and --balance: table of items with columns.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Figure of the shrinking interval or the curve: .svg, .html."),
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Place a solver on a bank's scale by an adaptive test.

    With --replay: how few items would have told each recorded model's full score? Models are held
    out in turn, the others calibrate the items.

    Example: gradatim evaluate sim:2pl --bank runs/first --stop-se 0.25 --set ability=0.7

    Example: gradatim evaluate --replay matrix.npz --items 50 --compare-random 100
    """
    given = _given(context, replay is not None)
    if figure is not None:
        figure_path(figure)  # a mistake costs no attempt
    if replay is None and (solver is None or bank is None):
        missing = "SOLVER" if solver is None else "--bank"
        raise ArgumentError(f"{missing} is missing; give SOLVER and --bank, or --replay FILE.npz")
    found = test_solver(replay=replay, **given, progress=reporter(quiet))
    if figure is not None:
        save_figure(found, figure)
    words = _text if replay is None else _replayed
    emit(found, as_json=as_json, text=words(on_lines(found)))


def _given(context: typer.Context, replay: bool) -> dict[str, Any]:
    """The options of this form as arguments; those of the other are refused where given."""
    said = {
        name: value
        for name, value in context.params.items()
        if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"
    }
    for name, value in said.items():
        if name == "replay" or name in BOTH or (name in REPLAY) == replay:
            continue
        shown = NAMES.get(name, "--" + name.replace("_", "-"))
        if replay:
            raise ArgumentError(f"{shown} has no place beside --replay, got {value}")
        raise ArgumentError(f"{shown} is for --replay only, got {value}")
    own = {"replay", "figure", "as_json", "quiet", "settings"}
    if replay:
        return {name: value for name, value in said.items() if name not in own}
    options = parse_options(context.params["settings"] or ())
    return {**{name: value for name, value in said.items() if name not in own}, **options}


def _text(found: dict[str, Any]) -> str:
    ability, score = found["ability"], found["score"]
    lines = [
        f"{found['solver']} on scale {found['scale']}, after {found['items']} of "
        f"{_n(found['bank_items'], 'item')} ({STOPS[found['stopped']]}):",
        f"  ability {ability.value:+.2f} [{ability.low:+.2f}, {ability.high:+.2f}]",
        f"  expected share of the whole bank solved {score.value:.3f} "
        f"[{score.low:.3f}, {score.high:.3f}]",
        *_these(score, found["score_of_attempts"]),
        *_beside(found["cut"]),
        f"  {_n(found['made'], 'attempt')} made, {found['reused']:,} were there",
    ]
    if found["misfit"]:
        lines.append(
            "  intervals hold what the scale gets wrong, from "
            f"{found['misfit']['solvers']} solvers "
            "tested without their own results"
        )
    lines += [f"  {note}" for note in found["notes"]]
    if found["unanswered"]:
        lines.append(f"  {_n(found['unanswered'], 'question')} without an answer")
    return "\n".join(lines)


def _these(score: Estimate, kept: Estimate) -> list[str]:
    """The interval without the luck of the attempts, where that is much of it."""
    if score.high - score.low <= 1.1 * (kept.high - kept.low):
        return []
    return [
        f"  (by these attempts alone [{kept.low:.3f}, {kept.high:.3f}]: others on the same items "
        "would have had other luck)"
    ]


def _beside(cut: dict[str, Any] | None) -> list[str]:
    if cut is None:
        return []
    side = f"{cut['side']} {cut['at']:g}" if cut["side"] else f"not surely beside {cut['at']:g}"
    return [f"  the score is {side}; chance that it is above: {cut['chance']:.1%}"]


SHOWN = (1, 2, 5, 10, 20, 35, 50, 60, 80, 100, 150, 200, 300, 500)


def _replayed(found: dict[str, Any]) -> str:
    n, random = (min(found[key], found["bank_items"]) for key in ("items", "compare_random"))
    lines = [
        f"{found['models']:,} of {_n(found['recorded'], 'model')} held out, "
        f"{_n(found['bank_items'], 'item')}; mean |predicted - full score|, Spearman with it:"
    ]
    for name, words in (
        ("adaptive", _n(n, "adaptive item")),
        ("random_model", f"{_n(n, 'random item')}, same model"),
        ("random", f"{_n(random, 'random item')}, plain mean"),
    ):
        error, rank = found[f"{name}_error"], found[f"{name}_spearman"]
        lines.append(
            f"  {words:<32} {error.value:.4f} [{error.low:.4f}, {error.high:.4f}]   " + _rank(rank)
        )
    said = [str(found[key] or f"more than {n}") for key in ("enough", "enough_model")]
    one = said[0] == "1"
    lines.append(
        f"  {said[0]} adaptive item{'' if one else 's'} {'does' if one else 'do'} for the error of "
        f"{random} random one{'' if random == 1 else 's'} by the plain mean, {said[1]} by the same "
        "model"
    )
    lines.append(
        f"  one item was given to {found['exposure']:.0%} of models"
        + _loss(found)
        + "\n"
        + _intervals(found, n)
    )
    lines += _stopped(found["stops"])
    if found["left_out"]:
        lines.append(f"  {_n(found['left_out'], 'model')} without results left out")
    lines += [f"  note: {note}" for note in found["notes"]]
    return "\n".join([*lines, *_curve(found["curve"])])


def _stopped(stops: dict[str, Any]) -> list[str]:
    lines = []
    if cut := stops.get("cut"):
        lines.append(
            f"  with --cut {cut['at']:g} a test takes {cut['items'].value:.1f} items; "
            f"{cut['decided'].value:.0%} of models are decided, {_share(cut['wrong'])} wrongly"
        )
    if still := stops.get("change"):
        lines.append(
            f"  with --stop-change {still['below']:g} --stop-steps {still['steps']} a test takes "
            f"{still['items'].value:.1f} items, {still['reached'].value:.0%} stop; error "
            f"{still['error'].value:.4f} [{still['error'].low:.4f}, {still['error'].high:.4f}]"
        )
    return lines


def _loss(found: dict[str, Any]) -> str:
    loss = found.get("exposure_loss")
    if loss is None:
        return ""
    return (
        f"; the cap of {found['max_exposure']:.0%} adds {loss.value:+.4f} "
        f"[{loss.low:+.4f}, {loss.high:+.4f}] to the error"
    )


def _rank(found: Estimate) -> str:
    """A rank correlation; models of one score have no order."""
    if isnan(found.value):
        return "no order"
    if isnan(found.low):
        return f"{found.value:.3f} (too few models, or faults, for an interval)"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _intervals(found: dict[str, Any], n: int) -> str:
    if isnan(found["coverage"].value):
        return f"  too few models to know how wide a 95% interval has to be after {_n(n, 'item')}"
    text = (
        f"  95% intervals after {_n(n, 'item')} hold the full score of "
        f"{_share(found['coverage'])} of tests, mean width {found['width'].value:.3f}"
    )
    if isnan(found["plain_coverage"].value):
        return text  # the mean of one item has no interval
    return (
        f"{text}; the plain mean's of {_n(n, 'random item')} "
        f"{found['plain_coverage'].value:.0%}, {found['plain_width'].value:.3f}"
    )


def _n(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _share(found: Estimate) -> str:
    return f"{found.value:.1%} [{found.low:.1%}, {found.high:.1%}]"


def _curve(curve: dict[str, Any]) -> list[str]:
    """The errors question by question, at a few of them."""
    lines = ["  items   adaptive   random, same model   random, plain   interval's width"]
    shown = [n for n in SHOWN if n <= len(curve["items"])]
    for at in sorted({*shown, len(curve["items"])}):
        errors = [curve[f"{name}_error"][at - 1] for name in ("adaptive", "random_model", "random")]
        lines.append(
            f"  {at:>5}   {errors[0]:>8.4f}   {errors[1]:>18.4f}   {errors[2]:>13.4f}   "
            + (f"{width:>16.3f}" if not isnan(width := curve["width"][at - 1]) else f"{'–':>16}")
        )
    return lines
