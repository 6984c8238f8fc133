"""A recipe's objective as the loss of TRL's trainer, on its padded tensors (torch).

Axes: `row`, replies of a micro-batch; `place`, their token positions, padded on the right.
"""

import logging
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple, cast

import torch

from gradatim.errors import ArgumentError
from gradatim.learning.objectives_parts import Scale, flat, needed
from gradatim.recipes import registry
from gradatim.types import Slot, Use

LOSSES = ("recipe", "trl")
GIVEN = frozenset({"logp", "entropy", "solved", "foreign", "all_rows", "solved_rows", "trust"})
GROUPED = frozenset({"group", "mixed_rows"})  # whole groups in one micro-batch
# settings of TRL's own loss, which the objective of a recipe does not read
THEIRS = (
    "loss_type",
    "epsilon",
    "epsilon_high",
    "delta",
    "importance_sampling_level",
    "top_entropy_quantile",
    "entropy_coef",
    "use_adaptive_entropy",
    "off_policy_mask_threshold",
)
ADVANTAGE = ("scale_rewards", "multi_objective_aggregation")

_log = logging.getLogger(__name__)


class Objective(NamedTuple):
    """A registered objective with its options."""

    name: str
    slot: Slot
    options: Mapping[str, Any]


def _changed(args: Any, names: tuple[str, ...]) -> list[str]:
    """Those settings that differ from their default."""
    default = {f.name: f.default for f in fields(args) if f.default is not MISSING}
    return [name for name in names if name in default and getattr(args, name) != default[name]]


def refuse_unread(args: Any, *, loss: str) -> None:
    """Refuse settings of TRL that would be ignored.

    Raises:
        ArgumentError: names them, and what would read them.
    """
    if idle := _changed(args, ADVANTAGE):
        raise ArgumentError(
            f"`{idle[0]}` has no effect: the recipe's advantage decides; leave it out, or change "
            'the recipe: slots={"advantage": "dr_grpo"}'
        )
    if loss == "recipe" and (idle := _changed(args, THEIRS)):
        raise ArgumentError(
            f"`{idle[0]}` is a setting of TRL's loss, but the recipe's objective is learned by; "
            'say loss="trl" to use TRL\'s, or change the recipe: slots={"objective": ...}'
        )


def objective_of(use: Use, args: Any, *, processes: int) -> Objective:
    """The objective of a recipe, checked against what this trainer gives it.

    Args:
        use: the recipe's.
        args: GRPOConfig; its `beta` is the objective's `kl` where the recipe has none.
        processes: of the run.

    Raises:
        ArgumentError: a KL term that TRL was not told of, or rows that it cannot give.
    """
    slot, options = registry.resolve("objective", use)
    if args.beta and "kl" in options and not options["kl"]:
        options["kl"] = args.beta
    if "kl" in options and options["kl"] != args.beta:
        raise ArgumentError(
            f"objective '{use.name}' holds to the reference with kl={options['kl']:g}, but TRL "
            f"has beta={args.beta:g}: set GRPOConfig(beta={options['kl']:g})"
        )
    whole = processes == 1 and args.steps_per_generation == 1
    given = GIVEN | {"whole"} | (GROUPED if whole else frozenset())
    given |= {"reference"} if args.beta else frozenset()
    needs = needed(slot, options, off_policy=True)
    if missing := needs - given:
        raise ArgumentError(
            f"objective '{use.name}' needs {', '.join(map(repr, sorted(missing)))}, but TRL's loop "
            f"provides {', '.join(sorted(given))}{_remedy(missing, args)}"
        )
    if "whole" in needs and not whole:
        _log.warning("objective '%s' takes each micro-batch of a process for its batch", use.name)
    return Objective(use.name, slot, options)


def _remedy(missing: frozenset[str], args: Any) -> str:
    if "reference" in missing:
        return "; set GRPOConfig(beta=...), so that TRL keeps a reference model"
    if missing & GROUPED:
        return (
            "; groups stay whole where a generation is one micro-batch of one process: "
            f"per_device_train_batch_size={args.generation_batch_size}"
        )
    return ""


def loss_of(
    objective: Objective,
    logp: torch.Tensor,
    entropy: torch.Tensor,
    inputs: Mapping[str, torch.Tensor],
    *,
    mask: torch.Tensor,
    scale: Scale,
) -> tuple[torch.Tensor, dict[str, float]]:
    """An objective on the rows of a micro-batch.

    Args:
        objective: see `objective_of`.
        logp, entropy: (row, place), of the policy that learns.
        inputs: advantages (row,) or (row, place); old_per_token_logps, ref_per_token_logps,
            importance_sampling_ratio where TRL made them; group and solved of each row.
        mask: (row, place) 0/1, tokens that are learned from; rows without one are left out.
        scale: what the mean runs over.

    Returns:
        The loss, whose sum over the micro-batches of an optimiser step is that step's loss.
    """
    live = mask.sum(1) > 0
    if not bool(live.any()):
        return (logp * 0.0).sum(), {}
    advantage = inputs["advantages"]
    ratio = inputs.get("importance_sampling_ratio")
    if ratio is not None:  # what vLLM sampled, corrected: it multiplies whatever is learned
        advantage = (advantage if advantage.ndim == 2 else advantage[:, None]) * ratio
        advantage = advantage.expand_as(logp)
    kept = mask[live].bool()
    old, reference = (
        None if inputs.get(name) is None else inputs[name][live]
        for name in ("old_per_token_logps", "ref_per_token_logps")
    )
    tokens = flat(
        kept,
        logp[live],
        {"old": old, "reference": reference, "entropy": entropy[live]},
        {
            "group": inputs["group"][live],
            "solved": inputs["solved"][live],
            "foreign": torch.zeros_like(inputs["solved"][live]),
        },
    )
    mine = advantage[live]
    return objective.slot.suggest(
        tokens, mine[kept] if mine.ndim == 2 else mine, scale, **objective.options
    )


def scale_of(rows: float, tokens: float, longest: int, *, window: float) -> Scale:
    """What the mean of an optimiser step runs over.

    Args:
        rows, tokens: of the whole generation, all processes.
        longest: most tokens of a reply.
        window: optimiser step / generation, in rows.
    """
    # a window can hold a fraction of the generation's tokens, and means take it as it is
    return Scale(cast(int, rows * window), cast(int, tokens * window), longest)
