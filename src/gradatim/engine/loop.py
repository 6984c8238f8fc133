"""Exact on-policy training of the tiny policy: sample, verify, weigh, update, step by step.

The loop spends rollouts only as the curriculum plans them, and skips rows that add nothing to the
gradient (those without advantage, for most objectives), which is exact because the objective's
mean still counts them (objectives.Scale).
"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from torch.nn import functional

from gradatim import checks, groups
from gradatim.engine.loop_optimiser import AdamW
from gradatim.engine.rollouts import Rollouts, begun
from gradatim.errors import ArgumentError
from gradatim.learning.objectives_imitation import sft
from gradatim.learning.objectives_parts import ROWS, Scale, Tokens, needed, rows_needed
from gradatim.recipes import registry
from gradatim.rng import digest
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import Ragged, ragged, reply_logits
from gradatim.types import ROLES, Batch, Use

CHUNK = 384  # rows per backward pass: bounds memory and keeps activations near the cache


# what objectives may ask of this loop; with `batch` it also has the columns of COLUMNS
PROVIDES = frozenset({"logp", "reference", "entropy", *ROWS})
COLUMNS = frozenset({"group", "solved", "foreign"})
FOREIGN = [ROLES.index(role) for role in ("refine", "demo")]
PROBE = ROLES.index("probe")


class Learner:
    """A policy with its optimiser: AdamW, a short ramp of the rate, clipped gradient norm.

    Args:
        policy: where to start; its tensors are copied.
        rate: learning rate after the ramp.
        ramp: steps over which the rate rises from zero.
        objective: a registered objective with its options.
        reference: what a KL term or DPO holds to; None: `policy`. Kept only if it is needed.

    Raises:
        ArgumentError: the objective needs what this loop does not give.
    """

    def __init__(
        self,
        policy: tiny.Policy,
        *,
        rate: float,
        ramp: int,
        objective: Use,
        reference: tiny.Policy | None = None,
    ) -> None:
        self.weights = {k: v.clone().requires_grad_() for k, v in policy.weights.items()}
        self.shape, self.meta = policy.shape, dict(policy.meta)
        self.rate, self.ramp, self.steps = rate, ramp, 0
        self.slot, self.options = registry.resolve("objective", objective)
        self.needs = needed(self.slot, self.options)
        if missing := self.needs - PROVIDES - COLUMNS:
            raise ArgumentError(
                f"objective '{objective.name}' needs {', '.join(map(repr, sorted(missing)))}, but "
                f"the tiny trainer provides {', '.join(sorted(PROVIDES | COLUMNS))}"
            )
        held = policy if reference is None else reference
        if "reference" in self.needs:
            self.reference = {k: v.detach().clone() for k, v in held.weights.items()}
        self.optimiser = AdamW(list(self.weights.values()), betas=(0.9, 0.99))

    def policy(self) -> tiny.Policy:
        """The weights as they are now, copied."""
        now = {k: v.detach().clone() for k, v in self.weights.items()}
        return tiny.Policy(now, self.shape, tiny.fingerprint(now), self.meta)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        counts: np.ndarray,
        *,
        limit: int,
        seed: Sequence[object],
        temperature: float = 1.0,
        entropies: bool = False,
    ) -> Rollouts:
        """Sample counts[i] replies to prompt i; the seed fixes them. Temperature 0 is greedy."""
        noise = int.from_bytes(digest(*seed, size=7), "big")
        samples = tiny.respond(
            tiny.Policy(self.weights, self.shape, "", {}),
            prompts,
            counts,
            limit=limit,
            temperature=temperature,
            generator=torch.Generator().manual_seed(noise),
            entropies=entropies,
        )
        owner = np.repeat(np.arange(len(prompts)), counts)
        return Rollouts(
            [list(p) for p in prompts],
            owner,
            tiny.flat(samples),
            samples.finished.numpy(),
            tiny.texts(samples),
            samples.logp.numpy(),
            samples.entropy.numpy(),
            tiny.reply_tokens(samples, samples.token_logp).numpy(),
            np.zeros(len(prompts), dtype=np.int64),
        )

    def update(
        self,
        rollouts: Rollouts,
        advantage: np.ndarray,
        *,
        longest: int,
        all_rows: bool = False,
        batch: Batch | None = None,
        passes: int = 1,
    ) -> dict[str, float]:
        """Learn from a step's replies, skipping rows that the objective does not need.

        Args:
            rollouts: the step's replies.
            advantage: (row,) float, or (token,) float in the order of `rollouts.replies`.
            longest: the constant length of Dr.GRPO's mean.
            all_rows: compute rows without advantage too; the gradient is the same.
            batch: of the same rows; objectives that look at groups, outcomes or roles need it.
                Its probes are never learned from, and no mean counts them. `hint_weight` lays a
                log-likelihood on what was given of its replies.
            passes: optimiser steps; from the second on, the policy that sampled is an older one.

        Returns:
            Means over the chunks of the objective's metrics in the last pass, `hints` (the term on
            what was given, where there is one), `rows` computed and `norm` of the gradient; no
            step is taken where no row is needed.

        Raises:
            ArgumentError: the objective needs `batch`; an advantage of another length.
        """
        checks.within(1, np.inf, passes=passes)
        lengths = rollouts.replies.lengths
        strength = strengths(advantage, lengths.numpy())
        columns = self._columns(batch, len(lengths))
        needs = needed(self.slot, self.options, off_policy=passes > 1)
        rows = rows_needed(needs | ({"all_rows"} if all_rows else set()), strength, columns)
        shown = _begun(rollouts, batch)
        if not len(rows) and shown is None:
            return {"rows": 0.0, "norm": 0.0}
        scale = _scale(rollouts, columns, longest, None if batch is None else batch.role != PROBE)
        parts = self._parts(rollouts, rows, columns.get("group")) if len(rows) else []
        old: list[torch.Tensor | None] = [None] * len(parts)
        metrics: dict[str, float] = {}
        norm = 0.0
        for _ in range(passes):
            self.optimiser.clear()
            metrics = {}
            for i, part in enumerate(parts):
                tokens = self._tokens(rollouts, part, columns, old[i])
                old[i] = tokens.logp.detach() if old[i] is None else old[i]
                of = part if len(advantage) == len(lengths) else places(lengths, part)[1].numpy()
                a = torch.from_numpy(advantage[of]).to(tokens.logp.dtype)
                loss, found = self.slot.suggest(tokens, a, scale, **self.options)
                loss.backward()
                for name, value in found.items():
                    metrics[name] = metrics.get(name, 0.0) + len(part) / len(rows) * value
            if shown is not None:
                metrics["hints"] = self._imitate(*shown, scale)
            norm = float(torch.nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0))
            self.steps += 1
            self.optimiser.step(self.rate * min(1.0, self.steps / max(self.ramp, 1)))
        return {**metrics, "rows": float(len(rows)), "norm": norm}

    def _imitate(self, shown: Rollouts, weight: np.ndarray, scale: Scale) -> float:
        """Add the gradient of the log-likelihood of beginnings that were given; its value."""
        aggregate, value = self.options.get("aggregate", "sequence"), 0.0
        for part in self._parts(shown, np.arange(len(weight)), None):
            tokens = self._tokens(shown, part, {"weight": weight}, None)
            loss, _ = sft(tokens, torch.zeros(len(part)), scale, aggregate=aggregate)
            loss.backward()
            value += loss.item()
        return value

    def _columns(self, batch: Batch | None, rows: int) -> dict[str, np.ndarray]:
        """Columns of the batch that the objective asks for, and which rows take part."""
        asked = self.needs & COLUMNS
        if batch is None:
            if asked:
                raise ArgumentError(
                    f"the objective needs {', '.join(sorted(asked))} of the attempts: give `batch`"
                )
            return {}
        learned = batch.mask & (batch.role != PROBE)
        columns = {"mask": learned, "foreign": np.isin(batch.role, FOREIGN)}
        columns |= {name: getattr(batch, name) for name in asked - {"foreign"}}
        for name in ("weight", "kl_scale"):
            if (given := getattr(batch, name, None)) is not None:
                columns[name] = given
        checks.shapes(advantage=(np.empty(rows), "row"), batch=(batch.mask, "row"))
        return columns

    def _parts(
        self, rollouts: Rollouts, rows: np.ndarray, group: np.ndarray | None
    ) -> list[np.ndarray]:
        """Rows in chunks of similar prompts; groups whole where the objective looks at them."""
        sizes = np.array([len(p) for p in rollouts.prompts])[rollouts.owner[rows]]
        if group is None:
            rows = rows[np.argsort(sizes, kind="stable")]
        else:  # a refined reply of a group may have a longer prompt
            code, n_groups = groups.codes(group[rows])
            longest = np.zeros(n_groups, dtype=sizes.dtype)
            np.maximum.at(longest, code, sizes)
            rows = rows[np.lexsort((code, longest[code]))]
        n = 1 if "whole" in self.needs else max(1, round(len(rows) / CHUNK))
        if group is None or n == 1:
            return np.array_split(rows, n)
        begins = np.flatnonzero(np.diff(group[rows])) + 1
        near = np.searchsorted(begins, np.arange(1, n) * len(rows) // n)
        return np.split(rows, np.unique(begins[np.minimum(near, len(begins) - 1)]))

    def _tokens(
        self,
        rollouts: Rollouts,
        rows: np.ndarray,
        columns: dict[str, np.ndarray],
        old: torch.Tensor | None,
    ) -> Tokens:
        """What the objective is given of these rows."""
        used, owner = np.unique(rollouts.owner[rows], return_inverse=True)
        row, at = places(rollouts.replies.lengths, rows)
        mine = rollouts.replies.lengths[torch.from_numpy(rows)]
        replies = Ragged(rollouts.replies.tokens[at], mine)
        prompts = ragged([rollouts.prompts[i] for i in used])
        whose = torch.from_numpy(owner.reshape(-1))
        logits = reply_logits(self.weights, self.shape, prompts, owner=whose, replies=replies)
        found = Tokens(
            -functional.cross_entropy(logits, replies.tokens, reduction="none"),
            old,
            row,
            mine,
            **{k: torch.from_numpy(v[rows]) for k, v in columns.items() if k != "mask"},
        )
        if "entropy" in self.needs:
            found = found._replace(entropy=torch.special.entr(logits.softmax(-1)).sum(-1))
        if "reference" in self.needs:
            with torch.no_grad():
                logits = reply_logits(
                    self.reference, self.shape, prompts, owner=whose, replies=replies
                )
            logp = -functional.cross_entropy(logits, replies.tokens, reduction="none")
            found = found._replace(reference=logp)
        return found

    def state(self) -> bytes:
        """Everything that the next step depends on."""
        buffer = BytesIO()
        weights = {k: v.detach() for k, v in self.weights.items()}
        optimiser = self.optimiser.state()
        torch.save({"weights": weights, "optimiser": optimiser, "steps": self.steps}, buffer)
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """Continue from `state()`."""
        saved = torch.load(BytesIO(state), weights_only=True)
        with torch.no_grad():
            for name, value in saved["weights"].items():
                self.weights[name].copy_(value)
        self.optimiser.restore(saved["optimiser"])
        self.steps = saved["steps"]


def strengths(advantage: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(row,) float: the advantage of each row, or the sum of its tokens' absolute ones.

    Raises:
        ArgumentError: neither one entry a row nor one a token.
    """
    if advantage.shape not in ((len(lengths),), (lengths.sum(),)):
        raise ArgumentError(
            f"`advantage` must have one entry for each of {len(lengths)} rows or "
            f"{lengths.sum()} tokens, got shape {advantage.shape}"
        )
    if len(advantage) == len(lengths):
        return advantage
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return groups.sums(np.abs(advantage), owner, len(lengths))


def places(lengths: torch.Tensor, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token of these rows: which of them it belongs to, and where it stands among all."""
    take = torch.from_numpy(rows)
    mine, begin = lengths[take], torch.cumsum(lengths, 0) - lengths
    row = torch.repeat_interleave(torch.arange(len(rows)), mine)
    inside = torch.arange(len(row)) - (torch.cumsum(mine, 0) - mine)[row]
    return row, begin[take][row] + inside


def _begun(rollouts: Rollouts, batch: Batch | None) -> tuple[Rollouts, np.ndarray] | None:
    """What was given of replies that are learned from, and its weights; None where nothing was."""
    if batch is None or batch.hint_weight is None:
        return None
    learned = batch.mask & ~np.isin(batch.role, [*FOREIGN, PROBE])
    found, weight = begun(rollouts, np.where(learned, batch.hint_weight, 0.0))
    return (found, weight) if len(weight) else None


def _scale(
    rollouts: Rollouts, columns: dict[str, np.ndarray], longest: int, counted: np.ndarray | None
) -> Scale:
    """What the objective's mean runs over: all rows of the step but probes, computed or not."""
    lengths = rollouts.replies.lengths
    foreign = columns.get("foreign", np.zeros(len(lengths), dtype=bool))
    live = columns.get("mask", np.ones(len(lengths), dtype=bool))
    counted = np.ones(len(lengths), dtype=bool) if counted is None else counted
    return Scale(
        int(counted.sum()),
        int(lengths.numpy()[counted].sum()),
        longest,
        groups=len(np.unique(columns["group"][counted])) if "group" in columns else 0,
        foreign=int(lengths.numpy()[foreign & live].sum()),
    )


def use_threads(n: int) -> None:
    """Fix the number of torch's threads; two runs side by side want one each."""
    torch.set_num_threads(n)
