"""A reward function that keeps what it scores: any TRL trainer's attempts in a run's ledger."""

import functools
import inspect
import json
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradatim.engine.attempt import GIVEN
from gradatim.errors import ArgumentError, extra
from gradatim.families.generation import content_id
from gradatim.families.rows import prompt_of
from gradatim.families.sources import RECORD
from gradatim.families.verify import need_verifier
from gradatim.files import dumps
from gradatim.integrations.trl_rows import problem_of, reply_text
from gradatim.store.rows import AttemptRow, GradeRow, Setting, prompt_hash
from gradatim.store.run import Run
from gradatim.types import Problem

VERSION = "1"


class Said(NamedTuple):
    """One scored attempt, plain enough to travel between processes."""

    problem: Problem
    prompt: str
    text: str
    tokens: int
    ended: bool
    reward: float | None


def reward_logger(
    function: Callable[..., Sequence[float | None]],
    *,
    run: Run | str | Path,
    solver: str = "trl",
    answer: str = "answer",
    verifier: str = "math",
    span: tuple[float, float] = (0.0, 1.0),
    ends: Collection[int] = (),
) -> Callable[..., Sequence[float | None]]:
    """The same reward function, which also writes every attempt into a run.

    Rows with the column `problem` that `problem_row` writes are attempts on those problems; of
    others the prompt and the answer make the problem. The policy is the step of training. With
    several processes the main one writes for all of them. What a resumed run does again is kept
    beside what was done before.

    Args:
        function: a reward function of TRL, not an asynchronous one.
        run: a run or its folder.
        solver: who answered, in the ledger.
        answer: column of the reference answer, of rows whose problem is not ours.
        verifier: that grades replies to which the function gives None; rewards are kept as given.
        span: worst and best reward; the ledger holds rewards in [0, 1], and the best is solved.
        ends: token ids that end a reply; others are then marked as truncated.

    Raises:
        ArgumentError: an asynchronous function, a missing column, or a reward outside `span`.
    """
    need_verifier(verifier)
    low, high = span
    if not low < high:
        raise ArgumentError(f"`span` must be (worst, best) reward, got {span!r}")
    if inspect.iscoroutinefunction(function):
        raise ArgumentError("`function` is asynchronous; wrap what it awaits in a plain function")
    name, stops = getattr(function, "__name__", "reward"), set(ends)
    read = functools.lru_cache(maxsize=1 << 16)(functools.partial(_problem, verifier=verifier))

    @functools.wraps(function)
    def logged(
        prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> Sequence[float | None]:
        rewards = function(prompts=prompts, completions=completions, **columns)
        size = len(prompts)
        ids = columns.get("completion_ids") or [None] * size
        known = [problem_of(value) for value in columns.get(RECORD) or [None] * size]
        golds = known if all(known) else _column(columns, answer)
        said = []
        for asked, completion, tokens, own, gold, reward in zip(
            prompts, completions, ids, known, golds, rewards, strict=True
        ):
            if reward is not None and not low <= reward <= high:
                raise ArgumentError(
                    f"{name} gave {reward:g}, outside of `span` ({low:g}, {high:g}): say the worst "
                    "and the best reward it can give"
                )
            chat = not isinstance(asked, str)
            sent = dumps([dict(m) for m in asked]) if chat else asked
            found = own or read(sent, str(gold), chat)
            ended = not stops or not tokens or tokens[-1] in stops
            scaled = None if reward is None else (reward - low) / (high - low)
            length = -1 if tokens is None else len(tokens)
            said.append(Said(found, sent, reply_text(completion), length, ended, scaled))
        every = _gathered(said)
        if every:
            step = getattr(columns.get("trainer_state"), "global_step", 0)
            opened = run if isinstance(run, Run) else Run(run)
            _write(opened, every, solver, step=step, function=name)
        return rewards

    return logged


def _column(columns: Mapping[str, Any], name: str) -> Any:
    if name not in columns:
        known = sorted(k for k in columns if k not in ("trainer_state", "log_extra", "log_metric"))
        raise ArgumentError(
            f"the rows have no column '{RECORD}' that `problem_row` wrote and none named '{name}' "
            f"(they have {', '.join(known)}): say which holds the answer, `answer=...`"
        )
    return columns[name]


def _problem(sent: str, gold: str, chat: bool, *, verifier: str) -> Problem:
    """The problem of a prompt, a text or the JSON of a chat, and its reference answer."""
    asked = prompt_of(json.loads(sent), "column 'prompt'", None, "prompt") if chat else sent
    key = content_id(family="", version=VERSION, verifier=verifier, prompt=asked, answer=gold)
    return Problem(id=key, prompt=asked, answer=gold, verifier=verifier)


def _gathered(said: list[Said]) -> list[Said]:
    """Attempts of all processes on the main one, none on the others."""
    torch = sys.modules.get("torch")  # where nobody imported it there is one process
    if torch is None or not torch.distributed.is_available():
        return said
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return said
    every = extra("accelerate.utils", "trl").gather_object(said)
    return every if torch.distributed.get_rank() == 0 else []


def _write(run: Run, said: Sequence[Said], solver: str, *, step: int, function: str) -> None:
    run.add_problems({s.problem.id: s.problem for s in said}.values())
    setting = Setting(solver, f"{step:07d}")
    with run.ledger(write=True) as ledger:
        there = ledger.have(setting)
        begin = {problem: max(made, default=-1) + 1 for problem, made in there.items()}
        ledger.append(*_rows(said, setting, Counter(begin), step=step, function=function))


def _rows(
    said: Sequence[Said], setting: Setting, following: Counter[str], *, step: int, function: str
) -> tuple[list[AttemptRow], list[GradeRow | None]]:
    attempts: list[AttemptRow] = []
    grades: list[GradeRow | None] = []
    for s in said:
        attempts.append(
            AttemptRow(
                s.problem.id,
                prompt_hash(s.prompt),
                setting,
                following[s.problem.id],
                status="finished" if s.ended else "truncated",
                text=s.text,
                tokens=s.tokens,
                step=step,
                tag="train",
            )
        )
        following[s.problem.id] += 1
        right = s.reward is not None and s.reward >= 1
        reason = "correct" if right else "wrong"
        verifier = f"{GIVEN}{function}@{VERSION}"
        grades.append(
            None if s.reward is None else GradeRow(verifier, s.reward, right, None, reason)
        )
    return attempts, grades
