"""What a study trains: a simulated learner on pools of any size; `arms_tiny` has the tiny policy.

Both have the same two methods: `advance` spends one step's rollouts by a recipe and learns,
`survey` measures the pass rate of held-out problems, of which nothing is learned.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.learning.advantages import learned
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Batch, Pool, Recipe

# what slots may need of a simulated learner
PROVIDES = registry.PROVIDES | {"rounds", "logp", "entropy"}
BETAS = (0.9, 0.99)  # decays of Adam's means, as in the tiny trainer
NOISE = 4.0  # of a reply's score: its variance beside that of the outcome, at most 1/4, is large


class Advance(NamedTuple):
    """What one step cost and brought: attempts, tokens, groups, and groups with a gradient."""

    spent: int
    tokens: int
    groups: int
    mixed: int


def advanced(batch: Batch, spent: int, tokens: int, keep: np.ndarray) -> Advance:
    """Counts of a finished step; keep (attempt,) says which attempts have an advantage."""
    labels = np.unique(batch.group[learned(batch)])
    return Advance(spent, tokens, len(labels), len(np.unique(batch.group[keep])))


class World(NamedTuple):
    """Problems of a simulated pool.

    Attributes:
        pool: what slots see.
        difficulty: (problem,) float in logits, not shown to slots.
    """

    pool: Pool
    difficulty: np.ndarray


def world(size: int, *, families: int, seed: int, step: float = 0.6, spread: float = 0.5) -> World:
    """A pool of families with levels 1 to 10, difficulty rising by `step` logits a level.

    Args:
        size: problems; families and levels take turns.
        families: how many.
        seed: of the difficulties.
        step, spread: logits from level to level, and standard deviation inside one.

    >>> world(40, families=2, seed=0).pool.sources[:3]
    ('f0:1', 'f1:1', 'f0:2')
    """
    checks.within(1, np.inf, size=size, families=families)
    index = np.arange(size)
    family, level = index % families, 1 + index // families % 10
    rng = np.random.default_rng([seed, size])
    difficulty = step * (level - 5.5) + spread * rng.standard_normal(size)
    sources = tuple(f"f{f}:{k}" for k in range(1, 11) for f in range(families))
    pool = Pool(
        source=((level - 1) * families + family).astype(np.int32),
        sources=sources,
        floor=np.zeros(size),
        family=family.astype(np.int32),
        level=level.astype(float),
        features=np.stack([family == f for f in range(families)] + [(level - 5.5) / 4.5], 1) * 1.0,
        difficulty=step * (level - 5.5),
        discrimination=np.ones(size),
    )
    return World(pool, difficulty)


class Moments(NamedTuple):
    """What Adam remembers: decaying means of gradients and of their squares, and of how many."""

    first: np.ndarray
    second: np.ndarray
    steps: int = 0


def adam(moments: Moments, gradient: np.ndarray) -> tuple[Moments, np.ndarray]:
    """The next moments, and the step at rate 1: the unbiased mean over the root of the square's.

    Multiplying every gradient by one positive number changes no step. A gradient that is always
    the same gives 1; the more it varies around its mean, the less. Nothing is added to the root:
    an axis that never had a gradient does not move.

    Args:
        moments: before this gradient.
        gradient: (axis,) float, upwards.

    Ref: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1, with epsilon 0 and the tiny trainer's
    decays.

    >>> adam(Moments(np.zeros(2), np.zeros(2)), np.array([-3.0, 0.0]))[1]
    array([-1.,  0.])
    """
    (slow, slower), steps = BETAS, moments.steps + 1
    first = slow * moments.first + (1 - slow) * gradient
    second = slower * moments.second + (1 - slower) * gradient**2
    root = np.sqrt(second / (1 - slower**steps))
    mean = first / (1 - slow**steps)
    step = np.divide(mean, root, out=np.zeros_like(mean), where=root > 0)
    return Moments(first, second, steps), step


class Simulated:
    """A learner with one ability per family, moved along the gradient of its own policy.

    An attempt is right with probability s(ability - difficulty), s the logistic function. A reply
    is more than right or wrong, so its score (the derivative of its log-probability by the
    ability) is right - s, which is all of it where nothing else is said, plus normal noise that
    does not depend on the outcome. A family's gradient is the mean over the step's attempts of
    advantage x score; Adam makes a step of it, as long as the rate where the gradient is sure of
    its direction and shorter where noise drowns it. `transfer` of it goes to the other families.

    Multiplying all advantages by one positive number changes nothing: recipes differ by which
    problems and attempts their gradient comes from, not by its scale.

    Args:
        world, held_out: problems, and those that are surveyed.
        recipe: the method; its objective plays no part.
        seed: decides every random choice.
        rollouts: of the whole run.
        settings: rate (logits a step where the gradient is sure, >= 0), start (ability, logits),
            transfer (share in [0, 1]), ramp (steps over which the rate rises from zero).
        noise: standard deviation of a reply's score around right - s, logits ** -1. 0: every
            attempt pushes the way its advantage says, so that nearly all steps are the rate.
    """

    def __init__(
        self,
        world: World,
        held_out: World,
        recipe: Recipe,
        *,
        seed: int,
        rollouts: int,
        settings: Mapping[str, Any],
        noise: float = NOISE,
    ) -> None:
        checks.within(0, np.inf, noise=noise)
        self.world, self.held_out, self.settings = world, held_out, settings
        self.curriculum = Curriculum(
            range(len(world.difficulty)),
            recipe,
            seed,
            provides=PROVIDES,
            source=world.pool,
            total=rollouts,
        )
        self.rng = np.random.default_rng([seed, 1])
        self.noise, self.noise_rng = noise, np.random.default_rng([seed, 2])
        assert world.pool.family is not None
        self.ability = np.full(int(world.pool.family.max()) + 1, float(settings["start"]))
        self.moments = Moments(np.zeros_like(self.ability), np.zeros_like(self.ability))
        assert held_out.pool.family is not None
        self.labels = [held_out.pool.sources[s] for s in held_out.pool.source]

    def _rate(self, world: World, problem: np.ndarray) -> np.ndarray:
        family = world.pool.family
        assert family is not None
        return special.expit(self.ability[family[problem]] - world.difficulty[problem])

    def advance(self, prompts: int, rollouts: int) -> Advance:
        """One step."""
        plan, spent = self.curriculum.suggest(prompts, rollouts=rollouts), 0
        while True:
            problem = np.repeat(plan.problem, plan.n)
            rate = self._rate(self.world, problem)
            right = self.rng.random(len(problem)) < rate
            chance = np.where(right, rate, 1 - rate)
            batch = self.curriculum.observe(
                plan,
                right.astype(float),
                lengths=np.ones(len(problem), dtype=np.int64),
                logp=np.log(chance),
                entropy=special.entr(rate) + special.entr(1 - rate),
            )
            spent += len(problem) + plan.paid
            following = self.curriculum.more(batch)
            if following is None:
                break
            plan = following
        advantage, keep = self.curriculum.advantages(batch)
        self._learn(batch, np.where(keep, advantage, 0.0))
        return advanced(batch, spent, len(batch.reward), keep)

    def _learn(self, batch: Batch, advantage: np.ndarray) -> None:
        if not advantage.any():  # no row to learn from: no step, as in the tiny trainer
            return
        family = self.world.pool.family
        assert family is not None
        label, size = family[batch.problem], len(self.ability)
        score = batch.solved - self._rate(self.world, batch.problem)
        push = np.bincount(label, weights=advantage * score, minlength=size)
        # the sum of advantage x noise over a family's attempts, drawn at once
        power = np.bincount(label, weights=advantage**2, minlength=size)
        push += self.noise * np.sqrt(power) * self.noise_rng.standard_normal(size)
        self.moments, step = adam(self.moments, push / max(int(learned(batch).sum()), 1))
        step *= self.settings["rate"] * min(1.0, self.moments.steps / max(self.settings["ramp"], 1))
        shared = self.settings["transfer"]
        self.ability += (1 - shared) * step + shared * step.sum()

    def survey(self, n: int, moment: int, *, greedy: bool = False) -> np.ndarray:
        """(problem,) pass rate of each held-out problem, exactly; greedy: whether above a half."""
        rate = self._rate(self.held_out, np.arange(len(self.held_out.difficulty)))
        return (rate > 0.5).astype(float) if greedy else rate
