"""Problems as rows of a TRL dataset, and the reward that checks replies to them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families.exchange import export_rows
from gradatim.families.rows import from_row
from gradatim.families.sources import RECORD, messages_of, record_of
from gradatim.families.verify import check
from gradatim.types import Problem

Prompt = str | Sequence[Mapping[str, str]]


def problem_row(problem: Problem, prompt: Prompt | None = None) -> dict[str, Any]:
    """A row of a dataset for TRL: `families.exchange.export_rows`, posed in another way.

    Args:
        problem: any.
        prompt: what is sent; default: the problem's own.

    >>> problem = Problem(id="7", prompt="6 * 7?", answer="42")
    >>> row = problem_row(problem, "6*7=")
    >>> row["prompt"], row["answer"], problem_of(row["problem"]) == problem
    ('6*7=', '42', True)
    """
    (row,) = export_rows([problem], "trl")
    if prompt is not None:
        row["prompt"] = prompt if isinstance(prompt, str) else [dict(m) for m in prompt]
    return row


def as_chat(problem: Problem) -> Prompt:
    """The problem's messages; a text becomes one message of the user."""
    return messages_of(problem.prompt)


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


def problem_of(value: Any) -> Problem | None:
    """The problem that `problem_row` wrote into a row's column; None for a column of others.

    Raises:
        FormatError: a problem that cannot be read.

    >>> problem_of("What is 6 * 7?") is None
    True
    """
    return _read(value) if isinstance(value, str) else None


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> Problem | None:
    record = record_of({RECORD: text})
    return None if record is None else from_row(record, f"column '{RECORD}'", None)


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
        problems = [p for p in map(problem_of, columns.get(RECORD, ())) if p is not None]
        if len(problems) < len(completions):
            raise ArgumentError(
                f"the default reward reads the column '{RECORD}' that `problem_row` writes; the "
                f"rows have {', '.join(sorted(columns))}"
                + f", and another '{RECORD}'" * (RECORD in columns)
                + ": give `reward_funcs`"
            )
        stops = set(ends())
        return [
            check(p, reply_text(c) if ids and ids[-1] in stops else None).reward
            for p, c, ids in zip(problems, completions, completion_ids, strict=True)
        ]

    return check_reply
