"""What is said before a TRL run spends anything: recipes, rewards, checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.files import dumps
from gradatim.integrations.trl_feedback import PROVIDES
from gradatim.recipes import demands, pools, registry, saving
from gradatim.recipes.curriculum import Curriculum

FILE = "gradatim.npz"  # of a checkpoint: the curriculum


def affordable(curriculum: Curriculum, problems: Any, args: Any) -> None:
    """Check before anything is spent that this loop can do what the recipe asks.

    Raises:
        ArgumentError: rounds, roles or columns that TRL cannot give; a generation too small for
            the recipe's groups; a curriculum over other problems.
    """
    recipe = curriculum.recipe
    registry.fits(recipe, PROVIDES | {"belief"} | pools.provides(curriculum.pool))
    use, size = recipe.budget, args.generation_batch_size
    demands.enough(use.name, registry.resolve("budget", use), size)
    if len(curriculum.problems) != len(problems):
        raise ArgumentError(
            f"`curriculum` is over {len(curriculum.problems)} problems, `problems` has "
            f"{len(problems)}: give both the same"
        )


def judged(names: Sequence[str], weights: Sequence[float], solved: str | None) -> None:
    """Check before anything is spent that rewards will say which attempts passed.

    Raises:
        ArgumentError: no function of that name; or none is named, and weights beyond 1 in all.
    """
    if solved is not None:
        checks.one_of("solved", solved, names)
    elif len(names) > 1 and sum(weights) > 1 + 1e-6:
        raise ArgumentError(
            f"{len(names)} reward functions ({', '.join(names)}) and no `solved`: name the one "
            f"that is 1 where an attempt passed, solved={names[0]!r}; or give reward_weights that "
            "add up to 1, where an attempt passed if all are 1"
        )


def resumed(curriculum: Curriculum, checkpoint: str | Path) -> Curriculum:
    """The curriculum of a checkpoint, which must be of the same recipe.

    Raises:
        ArgumentError: a checkpoint of a model only, another trainer's, or another recipe.
        FormatError: other problems, or a damaged file.
    """
    path = Path(checkpoint) / FILE
    if not path.exists() and not any(Path(checkpoint).glob("rng_state*")):
        raise ArgumentError(
            f"{checkpoint} holds a model only, neither its optimizer nor {FILE} (save_only_model="
            "True?): give its weights as `model` and start without resume_from_checkpoint, and set "
            "GRPOConfig(save_only_model=False) to resume later"
        )
    if not path.exists():
        raise ArgumentError(
            f"{checkpoint} has no {FILE}, so another trainer wrote it: give its weights as `model` "
            "and start without resume_from_checkpoint"
        )
    found = Curriculum.load(path, curriculum.problems)
    then, now = found.recipe, curriculum.recipe
    if dumps(saving.recipe_notes(then)) != dumps(saving.recipe_notes(now)):
        other = f"'{then.name}'" + " with other options" * (then.name == now.name)
        raise ArgumentError(
            f"{checkpoint} was trained by the recipe {other}, this trainer has '{now.name}': give "
            "the same to resume, or start without resume_from_checkpoint"
        )
    return found
