"""Problems as a data set of Hugging Face, and the reward functions that its rows need.

The other way needs nothing of this file: `gd.read` takes a Dataset, an IterableDataset or a folder
that `save_to_disk` wrote.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradatim.errors import ArgumentError, extra
from gradatim.families.exchange import export_rows
from gradatim.families.rows import from_row
from gradatim.families.sources import RECORD, record_of
from gradatim.families.verify import check
from gradatim.types import Problem


def to_dataset(problems: Iterable[Problem], format: str = "trl") -> Any:
    """Problems as a `datasets.Dataset`.

    Args:
        problems: any.
        format: whose columns: "trl", "verl" or "open-instruct"; see `families.exchange`.

    Returns:
        the data set; `gd.read` of it gives the same problems.

    Raises:
        ArgumentError: an unknown format.
        MissingExtra: the package `datasets` is not installed.
    """
    rows = export_rows(problems, format)
    return extra("datasets", "datasets").Dataset.from_list(rows)


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any]
) -> float:
    """The reward of a reply as verl asks for it: custom_reward_function with this file's path.

    Args:
        data_source, ground_truth: of the row; the problem in `extra_info` says more.
        solution_str: the reply.
        extra_info: of a row that `export_rows(..., "verl")` made.

    Raises:
        ArgumentError: the row carries no problem.

    >>> from gradatim.families.exchange import export_rows
    >>> row = export_rows([Problem(id="x", prompt="2+2", answer="4", verifier="number")], "verl")[0]
    >>> compute_score(row["data_source"], "It is 4.", "4", row["extra_info"])
    1.0
    """
    record = record_of({RECORD: extra_info.get(RECORD)})
    if record is None:
        raise ArgumentError(
            f"`extra_info` must hold a problem as '{RECORD}': write rows by "
            "`gradatim read FILE --to verl`"
        )
    return float(check(from_row(record, "extra_info", None), solution_str).reward)


def score(completions: Sequence[Any], problem: Sequence[str], **columns: Any) -> list[float]:
    """The rewards of completions as TRL asks for them, by the rows' column `problem`.

    Args:
        completions: texts, or chats whose last message is the reply.
        problem: of rows that `export_rows(..., "trl")` made.
        columns: the others; not needed.

    >>> from gradatim.families.exchange import export_rows
    >>> row = export_rows([Problem(id="x", prompt="2+2", answer="4", verifier="number")])[0]
    >>> score(["It is 4.", [{"role": "assistant", "content": "5"}]], [row["problem"]] * 2)
    [1.0, 0.0]
    """
    texts = [said if isinstance(said, str) else said[-1]["content"] for said in completions]
    return [
        compute_score("", text, "", {RECORD: record})
        for text, record in zip(texts, problem, strict=True)
    ]
