"""TRL's GRPO trainer driven by a recipe, and two pieces for a trainer that stays as it is.

`GradatimGRPOTrainer` plans every generation with a `gradatim.Curriculum`: which prompts, and how
many attempts on each; rewards go back to it, and its recipe says what each attempt is worth and by
which objective it is learned from. `reward_logger` wraps a reward function of any TRL trainer and
keeps its attempts in a run; `zero_variance_filter` says which groups carry a gradient.

Nothing of TRL, transformers or torch is imported before the trainer is asked for.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from gradatim.errors import extra
from gradatim.integrations.trl_feedback import PROVIDES
from gradatim.integrations.trl_logger import reward_logger
from gradatim.integrations.trl_rows import problem_row
from gradatim.learning.gates import filter_groups as zero_variance_filter

if TYPE_CHECKING:
    from gradatim.integrations.trl_trainer import Planned as GradatimGRPOTrainer

__all__ = [
    "PROVIDES",
    "GradatimGRPOTrainer",
    "problem_row",
    "reward_logger",
    "zero_variance_filter",
]


@cache
def _trainer() -> type:
    """The overrides on top of TRL's trainer."""
    theirs = extra("trl", "trl").GRPOTrainer
    from gradatim.integrations.trl_trainer import Planned

    name = "GradatimGRPOTrainer"
    return type(name, (Planned, theirs), {"__doc__": Planned.__doc__, "__module__": __name__})


def __getattr__(name: str) -> Any:
    if name == "GradatimGRPOTrainer":
        return _trainer()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
