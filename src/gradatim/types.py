"""The nouns every part shares. Frozen records; no behaviour beyond what they are."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

Message = Mapping[str, str]
Knobs = Mapping[str, Any]

STATUSES = ("finished", "truncated", "timeout", "provider_error")
REASONS = ("correct", "wrong", "unparsed", "abstained", "verifier_timeout", "verifier_error")


# -- problems ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question with a verifiable answer.

    Attributes:
        id: hash of the content (family, version, verifier, prompt, answer).
        prompt: text, or chat messages.
        answer: a text that `gradatim.check` scores 1 as it stands.
        family: name of the family that made it; "" for problems read from files.
        verifier: a checker's name, or the family's name for its own check.
        level: 1 (easiest) .. 10, where the family has a ladder.
        compact: the prompt in a few characters, for tiny policies; None where there is none.
        compact_answer: the answer a tiny policy is taught; None means `answer`.
        solution: a worked solution that ends in the answer.
        unsolvable: True where saying so is the correct answer.
    """

    id: str
    prompt: str | tuple[Message, ...]
    answer: str
    family: str = ""
    verifier: str = "text"
    version: str = "1"
    level: int | None = None
    knobs: Knobs = field(default_factory=dict)
    split: str = ""
    seed: int | None = None
    compact: str | None = None
    compact_answer: str | None = None
    solution: str | None = None
    unsolvable: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)


class Verdict(NamedTuple):
    """What a verifier says of one text: `reward` in [0, 1], `reason` one of REASONS."""

    reward: float
    solved: bool
    answer: str | None
    reason: str


class Draft(NamedTuple):
    """What a family's `make` returns; generation completes it to a Problem."""

    prompt: str | tuple[Message, ...]
    answer: str
    canonical: str
    compact: str | None = None
    compact_answer: str | None = None
    solution: str | None = None
    meta: Mapping[str, Any] = {}
    unsolvable: bool = False


class Step(NamedTuple):
    """One step of a reply, as a family's `trace` reads it.

    Attributes:
        end: characters of the reply up to and with this step.
        state: hash of the state that the step leads to; equal states have equal hashes.
        value: exact value or move as text, None where the step states none.
        legal: whether rules and earlier steps allow it.
    """

    end: int
    state: str
    value: str | None
    legal: bool


class Knob(NamedTuple):
    """One dial of a family: an integer range, or a set of choices."""

    doc: str
    default: Any
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A source of problems with a difficulty dial: a record of pure functions.

    Attributes:
        make: (stream, **knobs) -> Draft; every random choice comes from the stream.
        check: (problem, text or None) -> Verdict; never raises on text.
        ladder: level 1..10 -> knobs.
        floor: knobs -> chance that a well-formed guess is right.
        space: knobs -> number of different instances (by canonical form).
        solve: problem -> an answer found without looking at `answer`, by other means than `make`.
        nth: (index, **knobs) -> Draft, the index-th of `space(knobs)` different instances.
        trace: (problem, text) -> Steps of a reply, where moves or steps exist.
        effort: problem -> measured work of solving it, rising with the level, in `effort_unit`.
        judge: (problem, answer) -> is it right, by other means than `check`; None: only `answer`.
    """

    name: str
    doc: str
    version: str
    knobs: Mapping[str, Knob]
    make: Callable[..., Draft]
    check: Callable[[Problem, str | None], Verdict]
    ladder: Callable[[int], dict[str, Any]]
    floor: Callable[[Knobs], float]
    space: Callable[[Knobs], int]
    solve: Callable[[Problem], str] | None = None
    nth: Callable[..., Draft] | None = None
    trace: Callable[[Problem, str], Iterable[Step]] | None = None
    effort: Callable[[Problem], float] | None = None
    effort_unit: str = ""
    judge: Callable[[Problem, str], bool] | None = None

    def __repr__(self) -> str:
        return f"Family(name={self.name!r}, version={self.version!r})"


# -- attempts ---------------------------------------------------------------------------------


class Request(NamedTuple):
    """Ask a solver for attempts `first .. first + n - 1` on one problem."""

    problem: Problem
    first: int
    n: int


class Reply(NamedTuple):
    """One answered attempt, before grading. `tokens` counts the reply only; -1 = unknown."""

    request: Request
    sample: int
    text: str | None
    status: str
    tokens: int = -1
    prompt_tokens: int = -1
    seconds: float = 0.0
    logp: float | None = None
    detail: str = ""
    certainty: float | None = None  # self-certainty, `choice.voting`; not stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """Anything that answers prompts: a record of functions.

    Attributes:
        name: the spec string; with `policy` and `params` it is who answered, in the ledger.
        policy: version of the weights, "" where it cannot change.
        params: everything that changes answers (temperature, prompting style, limits ...).
        answer: requests -> lists of replies as they arrive, in any order; a list is stored at once.
        prompt: problem -> the exact prompt that this solver sends; it is hashed into the key.
        close: frees what the solver holds; safe to call twice.
        report: what it spent so far and what stopped it, where it counts that.
    """

    name: str
    answer: Callable[[Sequence[Request]], Iterator[list[Reply]]]
    policy: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    prompt: Callable[[Problem], str] = lambda problem: str(problem.prompt)
    close: Callable[[], None] = lambda: None
    report: Callable[[], Mapping[str, Any]] = dict


# -- measurement ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated number, or an array of them, with an interval and the n behind it."""

    value: Any
    low: Any
    high: Any
    n: Any

    def __str__(self) -> str:
        if np.ndim(self.value):  # many numbers: how many, and their middle
            return f"{np.size(self.value)} estimates, median {np.nanmedian(self.value):.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """Counts of solved attempts in long form: the one input of all measurement.

    Attributes:
        solver, item: (cell,) int, indices into `solvers` and `items`; a pair occurs once.
        solved: (cell,) float, sum of scores, 0 <= solved <= tried.
        tried: (cell,) int >= 1.
    """

    solver: np.ndarray
    item: np.ndarray
    solved: np.ndarray
    tried: np.ndarray
    solvers: tuple[str, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The same counts as a table: large complete data is measured as it lies, without a copy.

    Attributes:
        solved: (solver, item) numbers or booleans, 0 <= solved <= tried.
        tried: (solver, item) int, 0 = missing; or one int >= 1 for every cell.
    """

    solved: np.ndarray
    tried: np.ndarray | int
    solvers: tuple[str, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Calibrated items and the abilities of those who answered, on one scale.

    Attributes:
        items: (item,) ids; difficulty, discrimination, floor, se_difficulty,
            se_discrimination: (item,) float on the logit scale of `scale`.
        ceiling: (item,) upper end of the curve in (floor, 1]; None where it is 1 for all.
        se_floor, se_ceiling: (item,) None where they are not estimated.
        solvers: (solver,) names; ability, se_ability: (solver,) float.
        tried, solved: (item,) totals behind each item.
        scale: id of the scale; only banks of one scale may be mixed.
        fit: how the fit went (model, log-likelihood, iterations, converged, priors).
    """

    items: tuple[str, ...]
    difficulty: np.ndarray
    discrimination: np.ndarray
    floor: np.ndarray
    se_difficulty: np.ndarray
    se_discrimination: np.ndarray
    solvers: tuple[str, ...]
    ability: np.ndarray
    se_ability: np.ndarray
    tried: np.ndarray
    solved: np.ndarray
    scale: str
    fit: Mapping[str, Any] = field(default_factory=dict)
    ceiling: np.ndarray | None = None
    se_floor: np.ndarray | None = None
    se_ceiling: np.ndarray | None = None


# -- choosing and learning --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What a curriculum chooses from.

    Attributes:
        source: (problem,) int, code of the family and level, the arms of source bandits.
        sources: (source,) names.
        floor: (problem,) float, chance of a guess.
        family: (problem,) int, code of the family; None: all of one.
        level: (problem,) float, 1 .. 10, NaN = unknown; None: unknown of all.
        features: (problem, feature) float, numbers that describe a problem; None: none.
        difficulty, discrimination: (problem,) float of a bank's scale, NaN = not in it; None: no
            bank.
        anchors: (problem,) bool, problems that are probed, never learned from; None: none.
    """

    source: np.ndarray
    sources: tuple[str, ...]
    floor: np.ndarray
    family: np.ndarray | None = None
    level: np.ndarray | None = None
    features: np.ndarray | None = None
    difficulty: np.ndarray | None = None
    discrimination: np.ndarray | None = None
    anchors: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Belief:
    """Pass rate of each problem of a pool for the current policy.

    Attributes:
        alpha, beta: (problem,) float > 0, Beta marginals.
        draw: (rng, m) -> (m, problem) joint samples.
    """

    alpha: np.ndarray
    beta: np.ndarray
    draw: Callable[[np.random.Generator, int], np.ndarray]


ROLES = ("rollout", "probe", "rewrite", "refine", "demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to try next: one round of a step, as flat columns, one entry per plan row.

    Attributes:
        step: the curriculum's step that asked; feedback may come back any number of steps later.
        problem: (row,) int, index into the curriculum's problems.
        n: (row,) int, attempts to make.
        role: (row,) int, index into ROLES; attempts of a probe are never learned from.
        hint: (row,) float in [0, 1], share of the worked solution that is shown.
        parent, cut: (row,) int, attempt of this step to continue, refine or explain, and the
            token to continue from; -1 = none.
        propensity: (row,) float, expected number of times this step draws the problem.
        why: (row,) str, one word for people.
        group: (row,) int, label within the step; attempts of one label are compared.
        posed: (row,) object, the Problem as it is posed where it is not the pool's, else None.
        alpha, beta: (row,) float, what was believed of the problem when the row was planned.
        round: of the step, from 0; `start`: rows of the step's earlier rounds.
        paid: attempts that planning itself has cost (a scaffold's writer).
    """

    step: int
    problem: np.ndarray
    n: np.ndarray
    role: np.ndarray
    hint: np.ndarray
    parent: np.ndarray
    cut: np.ndarray
    propensity: np.ndarray
    why: np.ndarray
    group: np.ndarray
    posed: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    round: int = 0
    start: int = 0
    paid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Finished attempts of a step, as flat, ragged columns (attempt,).

    Attributes:
        step: the plan's step.
        group: label of each attempt within the step; those of one group are compared.
        problem: index into the curriculum's problems.
        role: index into ROLES.
        parent, cut: attempt it continues, and from which token; -1 = none.
        reward: float in [0, 1]; feeds the advantage.
        solved: bool; feeds the belief.
        length: tokens of the reply.
        mask: bool, False where an attempt gives no gradient (provider errors, probes).
        row: row of the step's plan, over all its rounds; None: the group.
        hint, hint_weight: share of the solution that was shown, and what a loss on it weighs.
        alpha, beta: float, the belief in the problem's pass rate before the step.
        logp: float, log-probability of the whole reply under the policy that sampled it.
        entropy: float, mean over the reply's tokens of the policy's entropy, in nats.
        text: object, the reply, for scaffolds that show or criticise it.
        token_logp, prefix_value, anchor: (token,), flat over the replies in order: log-probability
            of each sampled token, value of the prefix before it, label of the state before it; see
            learning.credit.
        propensity, kl_scale (factor on the KL term), value, weight ...: present when a slot asks.
    """

    step: int
    group: np.ndarray
    problem: np.ndarray
    role: np.ndarray
    parent: np.ndarray
    reward: np.ndarray
    solved: np.ndarray
    length: np.ndarray
    mask: np.ndarray
    row: np.ndarray | None = None
    hint: np.ndarray | None = None
    alpha: np.ndarray | None = None
    beta: np.ndarray | None = None
    logp: np.ndarray | None = None
    entropy: np.ndarray | None = None
    text: np.ndarray | None = None
    cut: np.ndarray | None = None
    token_logp: np.ndarray | None = None
    prefix_value: np.ndarray | None = None
    anchor: np.ndarray | None = None
    value: np.ndarray | None = None
    weight: np.ndarray | None = None
    propensity: np.ndarray | None = None
    kl_scale: np.ndarray | None = None
    hint_weight: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a sampler, budget or scaffold is asked with, in each round of a step.

    Attributes:
        pool, belief: what there is, and what is believed of it.
        plan: the round's rows so far (None for the sampler, which begins the round).
        so_far: attempts of this step that came back (None in the first round).
        prompts: how many prompts the sampler shall draw; for others, how many a step wants.
        left: attempts left to spend in this step; never overspent.
        step: number of the step.
        drawn: rows that samplers drew in all rounds so far, for sweeps through the pool.
        seed: of the run, for choices that must be the same at every step (a sweep's order).
        round: of the step, from 0, of at most `rounds`.
        rows: plan rows of the step's earlier rounds (None in the first round).
        problems: the curriculum's problems, for scaffolds.
        progress: share of the whole run that is spent, where the trainer says its length, else 0.
    """

    pool: Pool
    belief: Belief
    plan: Plan | None
    so_far: Batch | None
    prompts: int
    left: int
    step: int
    drawn: int = 0
    seed: int = 0
    round: int = 0
    rounds: int = 1
    rows: Plan | None = None
    problems: Sequence[Any] = ()
    progress: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One registered choice for a slot of a recipe: an init/observe/suggest triple.

    Attributes:
        suggest: sampler, budget, scaffold: (state, ask, rng, **options) -> Plan of the round;
            belief: (state, pool, **options) -> Belief; advantage: (batch, **options) ->
            ((attempt,) or (token,) float, (attempt,) bool keep); objective: (tokens, advantage,
            scale, **options) -> (loss, metrics).
        want: budget: (state, ask, **options) -> prompts to draw in this round; without it all in
            the first round.
        hold: scaffold: (state, ask, **options) -> attempts that the budget shall leave to it.
        init: (pool, **options) -> state, a NamedTuple of arrays; None for no state.
        observe: (state, batch, **options) -> state.
        columns: scaffold: (batch, **options) -> columns that the step's Batch gets.
        figures: belief: (state) -> numbers by name, for `Curriculum.metrics`.
        options: the names and defaults of the options.
        bounds: option -> (lowest, highest), each a number or another option's name; or the names
            that it may be.
        rounds: how many a step shall have for it, or the option that says so.
        least: budget: the option with the fewest attempts of a group; of "a b", b where a is 0.
        check: (pool, problems, provides, **options) -> None; raises where it cannot work on them.
        needs: columns, rounds or roles that a trainer must provide.
        gives: columns that the slot's own rows bring, so that no trainer has to.
        invariances: what conformance tests ("shift", "scale", "zero_sum", "exact_total" ...).
        paper: where it comes from, and where we differ.
    """

    suggest: Callable[..., Any]
    want: Callable[..., int] = lambda state, ask, **options: 0 if ask.round else ask.prompts
    hold: Callable[..., int] = lambda state, ask, **options: 0
    init: Callable[..., Any] = lambda pool, **options: ()
    observe: Callable[..., Any] = lambda state, batch, **options: state
    columns: Callable[..., Mapping[str, np.ndarray]] = lambda batch, **options: {}
    figures: Callable[..., Mapping[str, float]] = lambda state: {}
    options: Mapping[str, Any] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Any, Any] | frozenset[str]] = field(default_factory=dict)
    rounds: int | str = 1
    least: str = ""
    check: Callable[..., None] = lambda pool, problems, provides, **options: None
    needs: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    invariances: frozenset[str] = frozenset()
    paper: str = ""


SLOTS = ("belief", "sampler", "budget", "scaffold", "advantage", "objective")


class Use(NamedTuple):
    """A slot's entry by name, with the options that differ from its defaults."""

    name: str
    options: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training method: a choice for each of the six slots."""

    name: str
    doc: str
    belief: Use
    sampler: Use
    budget: Use
    advantage: Use
    objective: Use
    scaffold: Use = Use("none")
    max_rounds: int = 1
    paper: str = ""
