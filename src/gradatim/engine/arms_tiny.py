"""What a study trains: the tiny policy. Needs torch; see `arms` for the rest."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.engine import loop, steps
from gradatim.engine.arms import Advance, advanced
from gradatim.recipes.curriculum import Curriculum
from gradatim.solvers import tiny
from gradatim.types import Bank, Problem, Recipe


class Tiny:
    """The tiny policy under a recipe, without a ledger: a study keeps summaries only.

    Args:
        problems: what is chosen from; each with a compact prompt.
        held_out: what is surveyed.
        recipe: the method.
        start: checkpoint.
        seed: decides every random choice.
        rollouts: of the whole run.
        settings: rate, ramp, limit, passes.
        bank: difficulties of the problems, for recipes that need them.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        held_out: Sequence[Problem],
        recipe: Recipe,
        *,
        start: str,
        seed: int,
        rollouts: int,
        settings: Mapping[str, Any],
        bank: Bank | None = None,
    ) -> None:
        loop.use_threads(1)
        self.held_out, self.seed = held_out, seed
        self.limit, self.passes = settings["limit"], settings["passes"]
        self.curriculum = Curriculum(
            problems, recipe, seed, provides=steps.PROVIDES, bank=bank, total=rollouts
        )
        self.learner = loop.Learner(
            tiny.load(start),
            rate=settings["rate"],
            ramp=settings["ramp"],
            objective=recipe.objective,
        )
        self.labels = [f"{p.family}:{p.level}" for p in held_out]

    def advance(self, prompts: int, rollouts: int) -> Advance:
        """One step."""
        taken = steps.take(
            self.curriculum,
            self.learner,
            prompts=prompts,
            rollouts=rollouts,
            limit=self.limit,
            seed=("study", self.seed, self.curriculum.step),
            passes=self.passes,
        )
        keep = self.curriculum.advantages(taken.batch)[1]
        tokens = int(taken.rollouts.replies.lengths.sum())
        return advanced(taken.batch, taken.spent, tokens, keep)

    def survey(self, n: int, moment: int, *, greedy: bool = False) -> np.ndarray:
        """(problem,) share of n attempts on each held-out problem that were right."""
        made = steps.survey(
            self.learner,
            self.held_out,
            n=1 if greedy else n,
            limit=self.limit,
            seed=("survey", self.seed, moment),
            temperature=0.0 if greedy else 1.0,
        )
        right = np.array([v.solved for v in made.verdicts], dtype=float)
        return np.bincount(made.row, weights=right) / np.bincount(made.row)
