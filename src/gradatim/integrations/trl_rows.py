"""Problems as rows of a TRL dataset, and the reward that checks replies to them."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families.read import from_row, to_row
from gradatim.families.verify import check
from gradatim.files import dumps
from gradatim.types import Problem

Prompt = str | Sequence[Mapping[str, str]]
COLUMN = "problem"  # of a dataset: the whole problem as JSON, which the default reward reads


def problem_row(problem: Problem, prompt: Prompt | None = None) -> dict[str, Any]:
    """A row of a dataset for TRL: prompt, answer, id, and the problem itself as JSON.

    Args:
        problem: any.
        prompt: what is sent; default: the problem's own.

    >>> row = problem_row(Problem(id="7", prompt="6 * 7?", answer="42"))
    >>> row["prompt"], row["answer"], problem_of(row["problem"]).id
    ('6 * 7?', '42', '7')
    """
    asked = problem.prompt if prompt is None else prompt
    sent = asked if isinstance(asked, str) else [dict(message) for message in asked]
    whole = dumps(to_row(problem))
    return {"prompt": sent, "answer": problem.answer, "id": problem.id, COLUMN: whole}


def as_chat(problem: Problem) -> Prompt:
    """The problem's messages; a text becomes one message of the user."""
    asked = problem.prompt
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else asked


class Ticks:
    """A sampler whose indices nobody uses: an epoch is `num_generations` attempts a problem.

    Args:
        problems, prompts: in the pool, and of a generation.
        repeat: indices that TRL draws for each prompt of a generation.
    """

    def __init__(self, problems: int, prompts: int, repeat: int) -> None:
        self.size = -(-problems // prompts) * prompts * repeat

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter([0] * self.size)


@lru_cache(maxsize=1 << 16)
def problem_of(text: str) -> Problem:
    """The problem of a row's JSON.

    Raises:
        FormatError: it is no problem.
    """
    return from_row(json.loads(text), f"column '{COLUMN}'", None)


def reply_text(completion: Any) -> str:
    """The text of a completion: TRL hands over text, or the messages of a chat.

    >>> reply_text([{"role": "assistant", "content": "4"}])
    '4'
    """
    if isinstance(completion, str):
        return completion
    return "".join(str(m.get("content") or "") for m in completion if m.get("role") == "assistant")


def checking(ends: Callable[[], Collection[int]]) -> Callable[..., list[float]]:
    """A reward function of TRL that checks replies with each problem's own verifier.

    Args:
        ends: token ids that end a reply; one that ends with another was cut off, and counts as
            no answer.
    """

    def check_reply(
        completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], **columns: Any
    ) -> list[float]:
        if COLUMN not in columns:
            raise ArgumentError(
                f"the default reward reads the column '{COLUMN}' that `problem_row` writes; the "
                f"rows have {', '.join(sorted(columns))}: give `reward_funcs`"
            )
        stops = set(ends())
        rows = zip(columns[COLUMN], completions, completion_ids, strict=True)
        return [
            check(problem_of(p), reply_text(c) if ids and ids[-1] in stops else None).reward
            for p, c, ids in rows
        ]

    return check_reply
