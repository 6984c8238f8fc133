"""The trainer-neutral object: what to try next, and what came of it.

Our own loop, TRL, verl and anyone's use this and nothing else:
`plan = cur.suggest(64, rollouts=512)`, run it, `batch = cur.observe(plan, rewards)`,
`advantage, keep = cur.advantages(batch)`. Recipes of several rounds go on in between:
`plan = cur.more(batch)` until it is None. Feedback may come back any number of steps later and in
any order, each plan once.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import learned
from gradatim.recipes import anchors as kept
from gradatim.recipes import batches, demands, pools, registry, rounds, saving
from gradatim.recipes.rounds import Entry, Under
from gradatim.types import Ask, Bank, Batch, Belief, Plan, Pool, Recipe

_STATEFUL = ("belief", "sampler", "budget", "scaffold")


class Curriculum:
    """A recipe at work on a sequence of problems.

    Args:
        problems: Problems, or rows with some of `id`, `family`, `level`, or anything at all;
            family x level is the source of a problem.
        recipe: name, or Recipe.
        seed: decides every random choice.
        provides: what the trainer gives (columns, roles, "rounds"); default: registry.PROVIDES.
        source: (problem,) labels instead of family x level; or a whole Pool.
        bank: calibrated difficulties of the problems, for slots that need them.
        total: attempts of the whole run, for slots that follow its progress.
        anchors: (anchor,) int, problems that are never learned from but probed (rows of role
            "probe"), paid from the step's rollouts; belief `irt` holds its scale by them.
        probes: share of all attempts that goes to the anchors.
        changes: slots to change: `budget={"min": 4}` changes options, `advantage="rloo"` the
            entry, `sampler=("window", {"low": 0.1})` both; `max_rounds=3` the rounds of a step.

    Attributes:
        problems, recipe, pool: what it works on, with changes applied.
        needs: what its slots (the objective apart) need of a trainer.
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

    def __init__(  # noqa: PLR0913  (who it is for, and one keyword for each thing to tell it)
        self,
        problems: Sequence[Any],
        recipe: str | Recipe = "gradatim",
        seed: int = 0,
        *,
        provides: Iterable[str] = registry.PROVIDES,
        source: Sequence[Any] | Pool | None = None,
        bank: Bank | None = None,
        total: int = 0,
        anchors: Sequence[int] | np.ndarray = (),
        probes: float = 0.05,
        **changes: Any,
    ) -> None:
        checks.within(0, np.inf, seed=seed, total=total)
        checks.within(0, 0.9, probes=probes)
        base = recipe if isinstance(recipe, Recipe) else registry.get(recipe)
        self.recipe = registry.adapt(base, changes)
        self._slots = {
            slot: registry.resolve(slot, getattr(self.recipe, slot))
            for slot in (*_STATEFUL, "advantage")
        }
        self.needs = frozenset().union(*(record.needs for record, _ in self._slots.values()))
        self.problems, self.provides = problems, demands.provided(provides, self.needs)
        if isinstance(source, Pool):
            self.pool = source
        else:
            self.pool = pools.pool(problems, source, bank=bank, features="features" in self.needs)
        self.pool = kept.mark(self.pool, anchors)
        self._view = kept.view(self.pool, problems)
        registry.fits(self.recipe, self.provides | {"belief"} | pools.provides(self.pool))
        demands.suit(self.recipe, self._slots, self.pool, problems, provides=self.provides)
        self.seed, self.total, self.probes = seed, total, probes
        self.step = 0
        self._rng = np.random.default_rng(seed)
        self._states = {slot: self._init(slot) for slot in _STATEFUL}
        self._open: dict[int, Under] = {}
        self._belief: Belief | None = None
        self._tally = dict.fromkeys(rounds.TALLIES, 0)
        self._last: dict[str, float] = {}

    def _init(self, slot: str) -> Any:
        record, options = self._slots[slot]
        pool = self.pool if self._view is None or slot == "belief" else self._view.pool
        return record.init(pool, **options)

    def _round(self, step: int, under: Under) -> Under | None:
        """The step with its next round planned; None when its slots have no more to ask."""
        fresh = under.rows is None
        ask = Ask(
            pool=self.pool,
            belief=self.belief(),
            plan=None,
            so_far=under.batch,
            prompts=under.prompts,
            left=under.left,
            step=step,
            drawn=self._tally["drawn"],
            seed=self.seed,
            round=0 if fresh else under.round + 1,
            rounds=self.recipe.max_rounds,
            rows=under.rows,
            problems=self.problems,
            progress=min(self._tally["asked"] / self.total, 1.0) if self.total else 0.0,
        )
        slots = {
            slot: Entry(*self._slots[slot], self._states[slot])
            for slot in ("sampler", "budget", "scaffold")
        }
        owed = kept.owed(self._view, ask, share=self.probes, tally=self._tally)
        plan, drawn = kept.plan_round(
            self._view, slots, ask, self._rng, owed=owed, tally=self._tally
        )
        self._tally["drawn"] += drawn
        if plan is None:
            return None
        asked = int(plan.n.sum()) + plan.paid
        if self.recipe.max_rounds == 1:
            assert asked == under.left, "a budget must be exact"
        self._tally["asked"] += asked
        self._tally["probed"] += owed
        self._tally["spent"] += plan.paid
        alpha, beta = ask.belief.alpha[plan.problem], ask.belief.beta[plan.problem]
        plan = dataclasses.replace(plan, alpha=alpha, beta=beta)
        self._last |= rounds.hopes(plan)
        return rounds.begin(under, plan)

    # -- the conversation ---------------------------------------------------------------------

    def suggest(self, prompts: int = 64, *, rollouts: int) -> Plan:
        """What to try next: about `prompts` rows with exactly `rollouts` attempts in all.

        There can be fewer rows than `prompts`: a pool may be smaller, or `rollouts` too few for
        that many groups. A recipe of several rounds asks for a part of them and comes back for
        the rest (`more`).

        Raises:
            ArgumentError: prompts or rollouts that are not whole or below 1; fewer rollouts than
                the budget's smallest group, but in the last step of several to a known `total`.
        """
        checks.whole(1, 2**62, prompts=prompts, rollouts=rollouts)
        if not (self.step and 0 < self.total <= self._tally["asked"] + rollouts):
            demands.enough(self.recipe.budget.name, self._slots["budget"], int(rollouts))
        fresh = Under(None, None, None, int(prompts), int(rollouts), 0)
        under = self._round(self.step, fresh)
        assert under is not None, "the first round asks for attempts"
        assert under.waiting is not None
        self._open[self.step] = under
        self.step += 1
        return under.waiting

    def observe(
        self,
        plan: Plan,
        rewards: Any,
        *,
        solved: Any = None,
        lengths: Any = None,
        row: Any = None,
        mask: Any = None,
        **columns: Any,
    ) -> Batch:
        """Learn what came of a plan, once, in any order and at any lag.

        Args:
            plan: one that `suggest` or `more` returned.
            rewards: (attempt,) float; without `row` in the order of the plan's rows.
            solved: (attempt,) bool; default: reward 1, which needs rewards in [0, 1].
            lengths: (attempt,) tokens of the replies; default -1, unknown.
            row: (attempt,) int, plan row of each attempt, in any order; needed where fewer
                attempts came back than were asked for.
            mask: (attempt,) bool; False = paid for, but neither believed nor learned from
                (provider errors), and its reward may be NaN.
            columns: further columns of a Batch (`logp`, `entropy` ...), (attempt,) or (token,);
                with `logp_now`, by the present policy where `logp` is by an older one,
                `weight` is their ratio, truncated (`importance`).

        Returns:
            Batch of the step so far, earlier rounds first; attempts on anchors are masked.

        Raises:
            ArgumentError: an unknown plan or one seen before; wrong lengths; NaN rewards; more
                attempts on a row than planned.
        """
        under, known = rounds.expected(self._open.get(plan.step), plan, step=self.step)
        found = batches.build(
            known, rewards, solved, lengths=lengths, row=row, mask=mask, columns=columns
        )
        self._tally["spent"] += len(found.reward)
        self._absorb("belief", found)
        batch = rounds.join(under.batch, batches.learnable(found))
        record, options = self._slots["scaffold"]
        batch = dataclasses.replace(batch, **record.columns(batch, **options))
        self._open[plan.step] = under._replace(waiting=None, batch=batch)
        if known.round + 1 >= self.recipe.max_rounds or not under.left:
            self._close(plan.step)
        return batch

    def more(self, batch: Batch) -> Plan | None:
        """The next round of a batch's step; None when the step is complete.

        Raises:
            ArgumentError: a round of this step is still out.
        """
        under = self._open.get(batch.step)
        if under is None:
            return None
        if under.waiting is not None:
            raise ArgumentError(
                f"step {batch.step} waits for round {under.waiting.round}: observe its plan first"
            )
        following = self._round(batch.step, under)
        if following is None:
            self._close(batch.step)
            return None
        self._open[batch.step] = following
        return following.waiting

    def _close(self, step: int) -> None:
        """A step is complete: slots other than the belief learn from all of it but its probes."""
        batch = self._open.pop(step).batch
        assert batch is not None
        batch = dataclasses.replace(batch, mask=learned(batch))
        for slot in _STATEFUL[1:]:
            self._absorb(slot, batch)
        found, mixed, rate = rounds.brought(batch)
        self._tally["groups"] += found
        self._tally["mixed"] += mixed
        self._last |= {"mixed_share": mixed / max(found, 1), "pass_rate": rate}

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
        self._absorb("belief", batch)
        self._tally["spent"] += len(batch.reward)
        self._tally["primed"] += len(batch.reward)

    def _absorb(self, slot: str, batch: Batch) -> None:
        record, options = self._slots[slot]
        told = batch if slot == "belief" else kept.batch(self._view, batch)
        self._states[slot] = record.observe(self._states[slot], told, **options)
        self._belief = None

    def advantages(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(attempt,) or (token,) advantage and (attempt,) bool keep, by the recipe's advantage."""
        record, options = self._slots["advantage"]
        return record.suggest(batch, **rounds.timed(options, self._tally["asked"], self.total))

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
        out = (self._open[step].waiting for step in sorted(self._open))
        return [plan for plan in out if plan is not None]

    def metrics(self) -> dict[str, float]:
        """Figures of the last plan and the last batch, and totals.

        Returns:
            steps, pending (plans), asked, spent, primed, probed (attempts; masked are paid too);
            rows, expected_mixed_share, expected_pass_rate (of the last plan, under the belief it
            was made from); mixed_share, pass_rate (of the last batch); total_mixed_share;
            mean_pass_rate (of the pool, believed); evidence (mean alpha + beta, in attempts);
            anchor_pass_rate (theirs, believed); the belief's `figures` (`irt`: ability, drift).
        """
        tally = self._tally
        return {
            "steps": self.step,
            "pending": len(self.pending()),
            **{name: tally[name] for name in ("asked", "spent", "primed", "probed")},
            **self._last,
            "total_mixed_share": tally["mixed"] / max(tally["groups"], 1),
            **pools.believed(self.pool, self.belief()),
            **self._slots["belief"][0].figures(self._states["belief"]),
        }

    # -- on disk ------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write everything to one npz file, atomically; plans under way are kept.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        arrays = saving.pool_arrays(self.pool)
        for slot, state in self._states.items():
            arrays |= saving.state_arrays(slot, state)
        for step, under in self._open.items():
            arrays |= saving.under_arrays(f"step.{step}", under)
        notes = {
            "recipe": saving.recipe_notes(self.recipe),
            "problems": pools.fingerprint(self.problems),
            "sources": list(self.pool.sources),
            "seed": self.seed,
            "step": self.step,
            "rng": self._rng.bit_generator.state,
            "tally": self._tally,
            "last": self._last,
            "total": self.total,
            "probes": self.probes,
            "provides": sorted(self.provides),
            "open": sorted(self._open),
        }
        saving.write(path, notes, arrays)

    @classmethod
    def load(cls, path: str | Path, problems: Sequence[Any]) -> "Curriculum":
        """Go on exactly where a saved one stopped, with the same problems in the same order.

        Raises:
            FormatError: not such a file, a newer version, or other problems.
        """
        notes, arrays = saving.read(path)
        pools.same(problems, notes["problems"], path)
        found = cls(
            problems,
            saving.recipe_from(notes["recipe"]),
            notes["seed"],
            provides=notes["provides"],
            source=saving.pool_from(arrays, notes["sources"]),
            total=notes["total"],
            probes=notes.get("probes", 0.05),
        )
        found.step = notes["step"]
        found._rng.bit_generator.state = notes["rng"]
        found._tally, found._last = {**found._tally, **notes["tally"]}, notes["last"]
        found._states = {
            slot: saving.state_like(slot, state, arrays) for slot, state in found._states.items()
        }
        found._open = {s: saving.under_from(f"step.{s}", arrays) for s in notes["open"]}
        return found
