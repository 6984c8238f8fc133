"""The trainer-neutral object: what to try next, and what came of it.

Our own loop, TRL, verl and anyone's use this and nothing else:
`plan = cur.suggest(64, rollouts=512)`, run it, `batch = cur.observe(plan, rewards)`,
`advantage, keep = cur.advantages(batch)`. Feedback may come back any number of steps later and in
any order, each plan once.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.choice.budgets import mixed_share
from gradatim.errors import ArgumentError, FormatError
from gradatim.recipes import batches, pools, registry, saving
from gradatim.types import SLOTS, Ask, Batch, Belief, Plan, Recipe, Use

_STATEFUL = ("belief", "sampler", "budget")


class Curriculum:
    """A recipe at work on a sequence of problems.

    Args:
        problems: Problems, or rows with some of `id`, `family`, `level`, or anything at all;
            family x level is the source of a problem.
        recipe: name, or Recipe.
        seed: decides every random choice.
        provides: what the trainer gives (columns, roles, "rounds"); default: registry.PROVIDES.
        source: (problem,) labels instead of family x level.
        changes: slots to change: `budget={"min": 4}` changes options, `advantage="rloo"` the
            entry, `sampler=("window", {"low": 0.1})` both.

    Attributes:
        problems, recipe, pool: what it works on, with changes applied.
        step: number of the next plan.

    Raises:
        ArgumentError: unknown names or options, or slots that need what the trainer lacks.

    >>> cur = Curriculum(["1+1", "2*3", "17*23"], recipe="grpo")
    >>> plan = cur.suggest(2, rollouts=8)
    >>> plan.n
    array([4, 4])
    >>> batch = cur.observe(plan, [1, 1, 1, 1, 0, 1, 0, 0])
    >>> cur.advantages(batch)[1]
    array([False, False, False, False,  True,  True,  True,  True])
    """

    def __init__(
        self,
        problems: Sequence[Any],
        recipe: str | Recipe = "gradatim",
        seed: int = 0,
        *,
        provides: Iterable[str] = registry.PROVIDES,
        source: Sequence[Any] | None = None,
        **changes: Any,
    ) -> None:
        checks.within(0, np.inf, seed=seed)
        base = registry.get(recipe) if isinstance(recipe, str) else recipe
        self.recipe = registry.adapt(base, changes)
        registry.fits(self.recipe, provides)
        self.problems = problems
        self.pool = pools.pool(problems, source)
        self.seed = seed
        self.step = 0
        self._rng = np.random.default_rng(seed)
        self._slots = {
            slot: registry.resolve(slot, getattr(self.recipe, slot))
            for slot in ("belief", "sampler", "budget", "advantage")
        }
        self._states = {slot: self._init(slot) for slot in _STATEFUL}
        self._pending: dict[int, Plan] = {}
        self._belief: Belief | None = None
        self._tally = {"drawn": 0, "asked": 0, "spent": 0, "primed": 0, "groups": 0, "mixed": 0}
        self._last: dict[str, float] = {}

    def _init(self, slot: str) -> Any:
        record, options = self._slots[slot]
        return record.init(self.pool, **options)

    def _call(self, slot: str, ask: Ask) -> Plan:
        record, options = self._slots[slot]
        return record.suggest(self._states[slot], ask, self._rng, **options)

    # -- the conversation ---------------------------------------------------------------------

    def suggest(self, prompts: int = 64, *, rollouts: int) -> Plan:
        """What to try next: about `prompts` rows with exactly `rollouts` attempts in all.

        There can be fewer rows than `prompts`: a pool may be smaller, or `rollouts` too few for
        that many groups.

        Raises:
            ArgumentError: prompts or rollouts below 1.
        """
        checks.within(1, np.inf, prompts=prompts, rollouts=rollouts)
        ask = Ask(
            pool=self.pool,
            belief=self.belief(),
            plan=None,
            so_far=None,
            prompts=int(prompts),
            left=int(rollouts),
            step=self.step,
            drawn=self._tally["drawn"],
            seed=self.seed,
        )
        drawn = self._call("sampler", ask)
        asked = Ask(ask.pool, ask.belief, drawn, None, ask.prompts, ask.left, ask.step)
        plan = self._call("budget", asked)
        assert plan.n.sum() == rollouts, "a budget must be exact"
        self._pending[plan.step] = plan
        self.step += 1
        self._tally["drawn"] += len(drawn.problem)
        self._tally["asked"] += int(rollouts)
        alpha, beta = ask.belief.alpha[plan.problem], ask.belief.beta[plan.problem]
        self._last |= {
            "rows": len(plan.n),
            "expected_mixed_share": float(mixed_share(alpha, beta, plan.n).mean()),
            "expected_pass_rate": float((plan.n * alpha / (alpha + beta)).sum() / rollouts),
        }
        return plan

    def observe(
        self,
        plan: Plan,
        rewards: Any,
        *,
        solved: Any = None,
        lengths: Any = None,
        group: Any = None,
        mask: Any = None,
    ) -> Batch:
        """Learn what came of a plan, once, in any order and at any lag.

        Args:
            plan: one that `suggest` returned.
            rewards: (attempt,) float; without `group` in the order of the plan's rows.
            solved: (attempt,) bool; default: reward 1, which needs rewards in [0, 1].
            lengths: (attempt,) tokens of the replies; default -1, unknown.
            group: (attempt,) int, plan row of each attempt, in any order; needed where fewer
                attempts came back than were asked for.
            mask: (attempt,) bool; False = paid for, but neither believed nor learned from
                (provider errors), and its reward may be NaN.

        Returns:
            Batch with the attempts in the order given.

        Raises:
            ArgumentError: an unknown plan or one seen before; wrong lengths; NaN rewards; more
                attempts on a row than planned.
        """
        known = self._pending.get(plan.step)
        if known is None:
            past = "was observed before" if plan.step < self.step else "was never suggested here"
            raise ArgumentError(f"`plan` of step {plan.step} {past}; every plan counts once")
        if not (np.array_equal(known.problem, plan.problem) and np.array_equal(known.n, plan.n)):
            raise ArgumentError(f"`plan` of step {plan.step} is not the one suggested here")
        batch = batches.build(known, rewards, solved, lengths=lengths, group=group, mask=mask)
        del self._pending[plan.step]
        self._absorb(batch)
        live, passed = batch.mask, batch.solved[batch.mask]
        got = np.bincount(batch.group[live], minlength=len(plan.n))
        right = np.bincount(batch.group[live], weights=passed, minlength=len(plan.n))
        mixed = int(np.count_nonzero((right > 0) & (right < got)))
        self._tally["spent"] += len(batch.reward)
        self._tally["groups"] += int(np.count_nonzero(got))
        self._tally["mixed"] += mixed
        self._last["mixed_share"] = mixed / max(np.count_nonzero(got), 1)
        self._last["pass_rate"] = float(passed.mean()) if len(passed) else float("nan")
        return batch

    def prime(self, problem: Any, solved: Any, tried: Any) -> None:
        """Start from attempts the current policy made before (graded, probed, from a ledger).

        Args:
            problem: (row,) int, indices into `problems`.
            solved, tried: (row,) int, solved of tried attempts.

        They feed the belief as of the last step planned and count as spent, since they were paid.
        """
        batch = batches.from_counts(
            problem, solved, tried, step=max(self.step - 1, 0), problems=len(self.problems)
        )
        record, options = self._slots["belief"]
        self._states["belief"] = record.observe(self._states["belief"], batch, **options)
        self._belief = None
        self._tally["spent"] += len(batch.reward)
        self._tally["primed"] += len(batch.reward)

    def _absorb(self, batch: Batch) -> None:
        for slot in _STATEFUL:
            record, options = self._slots[slot]
            self._states[slot] = record.observe(self._states[slot], batch, **options)
        self._belief = None

    def advantages(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(attempt,) advantage and (attempt,) bool keep, by the recipe's advantage."""
        record, options = self._slots["advantage"]
        return record.suggest(batch, **options)

    def belief(self) -> Belief:
        """What is believed now of each problem's pass rate."""
        believed = self._belief
        if believed is None:
            record, options = self._slots["belief"]
            believed = record.suggest(self._states["belief"], self.pool, **options)
            self._belief = believed
        return believed

    def pending(self) -> list[Plan]:
        """Plans not observed yet, oldest first; after a load, what was under way."""
        return [self._pending[step] for step in sorted(self._pending)]

    def metrics(self) -> dict[str, float]:
        """Figures of the last plan and the last batch, and totals.

        Returns:
            steps, pending (plans), asked, spent and primed (attempts; masked ones are paid too);
            rows, expected_mixed_share, expected_pass_rate (of the last plan, under the belief it
            was made from); mixed_share, pass_rate (of the last batch); total_mixed_share;
            mean_pass_rate (of the pool, believed); evidence (mean alpha + beta, in attempts).
        """
        belief, tally = self.belief(), self._tally
        weight = belief.alpha + belief.beta
        return {
            "steps": self.step,
            "pending": len(self._pending),
            **{name: tally[name] for name in ("asked", "spent", "primed")},
            **self._last,
            "total_mixed_share": tally["mixed"] / max(tally["groups"], 1),
            "mean_pass_rate": float((belief.alpha / weight).mean()),
            "evidence": float(weight.mean()),
        }

    # -- on disk ------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write everything to one npz file, atomically; plans under way are kept.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        arrays = {}
        for slot, state in self._states.items():
            arrays |= saving.state_arrays(slot, state)
        for step, plan in self._pending.items():
            arrays |= saving.plan_arrays(f"plan.{step}", plan)
        notes = {
            "recipe": {
                "name": self.recipe.name,
                "doc": self.recipe.doc,
                "paper": self.recipe.paper,
                "max_rounds": self.recipe.max_rounds,
                "slots": {slot: list(getattr(self.recipe, slot)) for slot in SLOTS},
            },
            "problems": pools.fingerprint(self.problems),
            "sources": list(self.pool.sources),
            "seed": self.seed,
            "step": self.step,
            "rng": self._rng.bit_generator.state,
            "tally": self._tally,
            "last": self._last,
            "pending": sorted(self._pending),
        }
        saving.write(path, notes, {**arrays, "pool.source": self.pool.source})

    @classmethod
    def load(cls, path: str | Path, problems: Sequence[Any]) -> "Curriculum":
        """Go on exactly where a saved one stopped, with the same problems in the same order.

        Raises:
            FormatError: not such a file, a newer version, or other problems.
        """
        notes, arrays = saving.read(path)
        if notes["problems"] != pools.fingerprint(problems):
            raise FormatError(
                path,
                field="problems",
                expected="the problems it was saved with, in the same order",
                got=f"{len(problems)} others",
            )
        sources = notes["sources"]
        found = cls(
            problems,
            _recipe(notes["recipe"]),
            notes["seed"],
            source=[sources[code] for code in arrays["pool.source"].tolist()],
        )
        found.step = notes["step"]
        found._rng.bit_generator.state = notes["rng"]
        found._tally, found._last = notes["tally"], notes["last"]
        found._states = {
            slot: saving.state_like(slot, state, arrays) for slot, state in found._states.items()
        }
        found._pending = {s: saving.plan_from(f"plan.{s}", arrays) for s in notes["pending"]}
        return found


def _recipe(notes: Mapping[str, Any]) -> Recipe:
    fields: dict[str, Any] = {
        slot: Use(name, options) for slot, (name, options) in notes["slots"].items()
    }
    fields |= {name: notes[name] for name in ("name", "doc", "paper", "max_rounds")}
    return Recipe(**fields)
