"""The rows of the ledger, how a solver's replies become rows, and how replies are packed.

A row names its setting (solver, policy, params) and its question (problem, prompt hash); with
`sample` that is the natural key: a second row of the same key is the same attempt.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gradatim.files import dumps
from gradatim.types import Reply, Solver

PACK_CHARS = 1 << 20  # a pack holds about this much text: reading one reply unpacks no more


class Setting(NamedTuple):
    """Who answered: `params` is canonical JSON of everything that changes answers."""

    solver: str
    policy: str = ""
    params: str = "{}"


class AttemptRow(NamedTuple):
    """One attempt. Unknown counts are -1; `created` None means now (seconds since 1970)."""

    problem: str
    prompt: str
    setting: Setting
    sample: int
    status: str = "finished"
    text: str | None = None
    tokens: int = -1
    prompt_tokens: int = -1
    seconds: float = 0.0
    created: float | None = None
    logp: float | None = None
    step: int = -1
    propensity: float | None = None
    tag: str = ""
    detail: str = ""


class GradeRow(NamedTuple):
    """What one version of a verifier says; `attempt` is the ledger's id, -1 inside `append`."""

    verifier: str
    reward: float
    solved: bool
    answer: str | None = None
    reason: str = "correct"
    attempt: int = -1


class Record(NamedTuple):
    """An attempt as read back, with its newest grade; grade fields are None where ungraded."""

    id: int
    problem: str
    prompt: str
    setting: Setting
    sample: int
    status: str
    tokens: int
    prompt_tokens: int
    seconds: float
    created: float
    logp: float | None
    step: int
    propensity: float | None
    tag: str
    detail: str
    verifier: str | None
    reward: float | None
    solved: bool | None
    answer: str | None
    reason: str | None
    text: str | None


class Receipt(NamedTuple):
    """What `append` acknowledged: ids of all rows in order, and how many of them are new."""

    ids: list[int]
    made: int


def setting_of(solver: Solver) -> Setting:
    """The ledger's name of a solver as it is set now."""
    return Setting(solver.name, solver.policy, dumps(dict(solver.params)))


def prompt_hash(prompt: str) -> str:
    """16 hex digits of a prompt's content; any text, lone surrogates too.

    >>> prompt_hash("2+2=")
    '8ef82285d4dc1c2d'
    """
    return hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def rows_of(
    solver: Solver, replies: Iterable[Reply], *, step: int = -1, tag: str = ""
) -> list[AttemptRow]:
    """A solver's replies as rows for `Ledger.append`."""
    setting = setting_of(solver)
    hashes: dict[int, str] = {}
    made = []
    for reply in replies:
        problem = reply.request.problem
        if id(problem) not in hashes:
            hashes[id(problem)] = prompt_hash(solver.prompt(problem))
        made.append(
            AttemptRow(
                problem.id,
                hashes[id(problem)],
                setting,
                reply.sample,
                status=reply.status,
                text=reply.text,
                tokens=reply.tokens,
                prompt_tokens=reply.prompt_tokens,
                seconds=reply.seconds,
                logp=reply.logp,
                step=step,
                tag=tag,
                detail=reply.detail,
            )
        )
    return made


def pack(first: int, texts: Sequence[str | None]) -> Iterator[tuple[int, int, bytes]]:
    """(first id, n, compressed) blobs of consecutive replies; replies may be 5 characters long.

    >>> [(first, n, unpack(blob)) for first, n, blob in pack(7, ["a", None])]
    [(7, 2, ['a', None])]
    """
    start = size = 0
    for i, text in enumerate(texts):
        size += len(text or "")
        if size >= PACK_CHARS or i == len(texts) - 1:
            some = texts[start : i + 1]
            if any(t is not None for t in some):
                yield first + start, len(some), _squeeze(some)
            start, size = i + 1, 0


def _squeeze(texts: Sequence[str | None]) -> bytes:
    try:
        raw = json.dumps(texts, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # lone surrogates survive as \udxxx escapes
        raw = json.dumps(texts).encode()
    return zlib.compress(raw)


def unpack(blob: bytes) -> list[str | None]:
    """The texts that `pack` compressed."""
    return json.loads(zlib.decompress(blob))


def storable(text: str | None) -> str | None:
    r"""Text for a column of the hot table: lone surrogates become escapes.

    >>> storable("\ud800x")
    '\\ud800x'
    """
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
