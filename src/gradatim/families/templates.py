"""Templates: families made from one problem, and the five gates any family must pass to be used.

A template takes a problem apart into parameters, a text with places for them, and a calculation
of the answer; sampled parameters then give variants. The gates tell templates that only look
right: extractable, executable, degrees of freedom, single-valued, matches the original.

Ref: Khan et al. 2025, EFAGen, arXiv:2504.09763. Differs: a template is a record in a module (none
is read out of a model's reply and run), a family that is no template is judged by its shipped
items where the paper compares with the seed problem, and harder means more measured effort.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from gradatim.checkers import registry as checkers
from gradatim.checkers.extract import UNPARSED
from gradatim.errors import ArgumentError, MissingExtra
from gradatim.families.gate import NO_TEXT, Notes, Outcome, asked, shorten, solver, verdict
from gradatim.families.generation import LEVELS, generate, instance
from gradatim.families.knobs import resolve
from gradatim.families.stock import single_valued
from gradatim.files import dumps
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Knobs, Problem, Verdict

GATES = (
    "extractable",
    "executable",
    "degrees of freedom",
    "single-valued",
    "matches the original",
)
EACH = 3  # items of each level that the gates look at
Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One problem, taken apart.

    Attributes:
        sample: (stream, **knobs) -> parameters, as JSON would hold them.
        render: parameters -> the question.
        solve: parameters -> the answer.
        ladder: level 1..10 -> knobs.
        space: knobs -> number of different parameters.
        parameters, prompt, answer: of the original problem.
        verifier: name of the checker that judges replies.
        floor: knobs -> chance that a well-formed guess is right.
        effort: parameters -> work of solving; `effort_unit` says of what.
        proof: problem -> answer by other means than `solve`, from the prompt.
    """

    name: str
    doc: str
    knobs: Mapping[str, Knob]
    sample: Callable[..., Parameters]
    render: Callable[[Parameters], str]
    solve: Callable[[Parameters], str]
    ladder: Callable[[int], dict[str, Any]]
    space: Callable[[Knobs], int]
    parameters: Parameters
    prompt: str
    answer: str
    version: str = "1"
    verifier: str = "number"
    floor: Callable[[Knobs], float] = lambda knobs: 0.0
    effort: Callable[[Parameters], float] | None = None
    effort_unit: str = ""
    proof: Callable[[Problem], str] | None = None


def family(template: Template) -> Family:
    """The family of a template; each problem keeps its parameters in `meta["parameters"]`."""
    judge = checkers.get(template.verifier)

    def make(stream: Stream, **knobs: Any) -> Draft:
        parameters = template.sample(stream, **knobs)
        return Draft(
            prompt=template.render(parameters),
            answer=template.solve(parameters),
            canonical=dumps(parameters),
            meta={"parameters": parameters},
        )

    def check(problem: Problem, text: str | None) -> Verdict:
        if isinstance(text, str) and text.strip() == str(problem.prompt).strip():
            return UNPARSED
        return judge(problem, text)

    effort = template.effort
    return Family(
        name=template.name,
        doc=template.doc,
        version=template.version,
        knobs=template.knobs,
        make=make,
        check=check,
        ladder=template.ladder,
        floor=template.floor,
        space=template.space,
        solve=template.proof,
        effort=None if effort is None else lambda problem: effort(problem.meta["parameters"]),
        effort_unit=template.effort_unit,
    )


# -- the five gates -----------------------------------------------------------------------------

_FUNCTIONS = {
    Template: ("sample", "render", "solve", "ladder", "space", "floor"),
    Family: ("make", "check", "ladder", "floor", "space"),
}


def _extractable(thing: Any) -> Outcome:
    notes = Notes("extractable")
    notes.tried = 1
    kind = type(thing)
    if kind not in _FUNCTIONS:
        notes.fail(None, NO_TEXT, f"is neither a Family nor a Template but {shorten(thing)}")
        return notes.outcome()
    texts = {f.name: getattr(thing, f.name) for f in fields(thing) if f.type in (str, "str")}
    for name, value in texts.items():
        if not isinstance(value, str) or not (value or name == "effort_unit"):
            notes.fail(None, NO_TEXT, f"`{name}` must be a text, got {shorten(value)}")
    for name in _FUNCTIONS[kind]:
        if not callable(getattr(thing, name)):
            notes.fail(None, NO_TEXT, f"`{name}` must be a function")
    knobs = thing.knobs
    if not isinstance(knobs, Mapping) or not all(isinstance(k, Knob) for k in knobs.values()):
        notes.fail(None, NO_TEXT, "`knobs` must map names to Knob records")
    if kind is Template and thing.verifier not in checkers.names():
        notes.fail(None, NO_TEXT, f"`verifier` '{thing.verifier}' is no checker")
    return notes.outcome()


def _faults(problem: Problem) -> str:
    """What keeps question and answer from being sent and compared, "" where nothing does."""
    chat = problem.prompt
    if not isinstance(chat, str) and not (
        isinstance(chat, tuple)
        and all(isinstance(m, Mapping) for m in chat)
        and all(isinstance(m.get(k), str) for m in chat for k in ("role", "content"))
    ):
        return "the question must be a text, or a tuple of messages with role and content"
    texts = (asked(problem), problem.answer)
    blank = not all(isinstance(text, str) and text.strip() for text in texts)
    return "question and answer must be texts" if blank else ""


def _executable(source: Family) -> tuple[Outcome, list[Problem]]:
    notes = Notes("executable")
    made: list[Problem] = []
    for level in LEVELS:
        notes.tried += EACH
        try:
            found = [instance(source, level, "gates", source.name, level, i) for i in range(EACH)]
        except Exception as error:
            notes.fail(None, NO_TEXT, f"level {level} raised {type(error).__name__}: {error}")
            continue
        for problem in found:
            if why := _faults(problem):
                notes.fail(problem, problem.answer, why)
                continue
            said = verdict(source, problem, problem.answer)
            if isinstance(said, str) or said.reward != 1.0:
                why = said if isinstance(said, str) else f"its own answer is {said.reason}"
                notes.fail(problem, problem.answer, why)
        made += found
    return notes.outcome(), made


def _free(made: list[Problem]) -> Outcome:
    notes = Notes("degrees of freedom")
    for level in LEVELS:
        items = [problem for problem in made if problem.level == level]
        notes.tried += 1
        if len({asked(problem) for problem in items}) < 2:
            notes.fail(items[0], asked(items[0]), f"every item of level {level} asks the same")
    if len({problem.answer for problem in made}) < 2 and not made[0].unsolvable:
        notes.fail(made[0], made[0].answer, "is the answer of every item")
    return notes.outcome()


def _single(thing: Template | Family, source: Family, made: list[Problem]) -> Outcome:
    same = single_valued(source, made)
    if same.failed:
        return same
    notes = Notes("single-valued")
    for level in LEVELS:
        knobs = resolve(source, source.ladder(level))
        for i in range(EACH):
            notes.tried += 1
            first, again = (source.make(Stream("twice", level, i), **knobs) for _ in range(2))
            if first != again:
                why = f"level {level}: the same draw again gives {shorten(again.answer)}"
                notes.fail(None, first.answer, why)
    if isinstance(thing, Template):
        for problem in made:
            parameters = problem.meta["parameters"]
            turned = copy.deepcopy(dict(reversed(list(parameters.items()))))
            answers = {problem.answer, thing.solve(turned), thing.solve(parameters)}
            if len(answers) > 1:
                notes.fail(problem, NO_TEXT, f"the same parameters have answers {sorted(answers)}")
    return notes.outcome()


def _original(thing: Template | Family, source: Family, made: list[Problem]) -> Outcome:
    if isinstance(thing, Family):
        if source.solve is None:
            return Notes("matches the original").outcome()
        found = solver(source, made)
        return found._replace(
            gate="matches the original",
            findings=tuple(f._replace(gate="matches the original") for f in found.findings),
        )
    notes = Notes("matches the original")
    notes.tried = 2
    rendered, answer = thing.render(thing.parameters), thing.solve(thing.parameters)
    if rendered.split() != thing.prompt.split():
        notes.fail(None, rendered, "is rendered from the original's parameters, not its question")
    seed = Problem(id="original", prompt=thing.prompt, answer=thing.answer, family=thing.name)
    said = verdict(source, seed, answer)
    if isinstance(said, str) or not said.solved:
        notes.fail(seed, answer, f"is no right answer to the original, {thing.answer!r} is")
    return notes.outcome()


def five(thing: Any) -> list[Outcome]:
    """The five gates on a template or a family, in order; ends with the first that fails.

    Args:
        thing: a Template, a Family, or whatever was registered as one.
    """
    outcomes = [_extractable(thing)]
    if outcomes[-1].failed:
        return outcomes
    source = family(thing) if isinstance(thing, Template) else thing
    outcome, made = _executable(source)
    outcomes.append(outcome)
    looks: tuple[Callable[[], Outcome], ...] = (
        lambda: _free(made),
        lambda: _single(thing, source, made),
        lambda: _original(thing, source, made),
    )
    for gate, look in zip(GATES[2:], looks, strict=True):
        if outcomes[-1].failed:
            break
        try:
            outcomes.append(look())
        except MissingExtra:
            raise
        except Exception as error:
            notes = Notes(gate)
            notes.tried = 1
            notes.fail(None, NO_TEXT, f"raised {type(error).__name__}: {error}")
            outcomes.append(notes.outcome())
    return outcomes


def admitted(name: str, thing: Any) -> Family:
    """The family that a package registers under a name, if it passes the five gates.

    Raises:
        ArgumentError: it fails one; says which, and on which item.
    """
    failed = next((outcome for outcome in five(thing) if outcome.failed), None)
    if failed is not None:
        raise ArgumentError(
            f"family '{name}' is refused: {failed.findings[0]}; "
            f"`gradatim audit family:{name}` shows more"
        )
    found = family(thing) if isinstance(thing, Template) else thing
    if found.name != name:
        raise ArgumentError(
            f"family '{name}' is refused: it calls itself '{found.name}'; register it as that"
        )
    return found


# -- variants -----------------------------------------------------------------------------------


def variants(
    source: Family, problem: Problem, *, harder: bool, n: int = 10, seed: int = 0
) -> list[Problem]:
    """Problems like this one that take more work to solve, or less, nearest levels first.

    Args:
        source: the family of the problem; it must measure effort.
        problem: what the variants are compared with.
        harder: more work or less.
        n: how many.
        seed: any whole number.

    Raises:
        ArgumentError: the family measures no effort, or has no such variants.
    """
    if source.effort is None:
        raise ArgumentError(f"family '{source.name}' measures no effort: nothing says what is hard")
    work = source.effort(problem)
    levels = [level for level in LEVELS if problem.level is None or level != problem.level]
    if problem.level is not None:
        start = problem.level
        levels = [level for level in levels if (level > start) == harder]
    found: list[Problem] = []
    for level in levels if harder else reversed(levels):
        for variant in generate(source, n=4 * n, level=level, seed=seed):
            if (source.effort(variant) > work) if harder else (source.effort(variant) < work):
                found.append(variant)
        if len(found) >= n:
            return found[:n]
    word = "harder" if harder else "easier"
    raise ArgumentError(
        f"`n` = {n} asks for more {word} variants than the ladder of '{source.name}' has: "
        f"{len(found)} take {'more' if harder else 'less'} than {work:g} {source.effort_unit}"
    )
