"""What is said before a TRL run spends anything: recipes, checkpoints."""

from pathlib import Path
from typing import Any

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


def resumed(curriculum: Curriculum, checkpoint: str | Path) -> Curriculum:
    """The curriculum of a checkpoint, which must be of the same recipe.

    Raises:
        ArgumentError: another trainer's checkpoint, or another recipe.
        FormatError: other problems, or a damaged file.
    """
    path = Path(checkpoint) / FILE
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
