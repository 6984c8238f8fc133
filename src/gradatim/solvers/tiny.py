"""The tiny policy as a solver and as something that learns: checkpoints, answers, updates."""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gradatim import checks
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.files import write_atomic
from gradatim.rng import digest
from gradatim.solvers.tiny_model import (
    ALPHABET,
    Ragged,
    Shape,
    Weights,
    decode,
    encode,
    initial,
    ragged,
)
from gradatim.solvers.tiny_sampler import Samples, sample
from gradatim.types import Problem, Reply, Request, Solver

SHIPPED = Path(__file__).parent / "checkpoints"
FORMAT = 1
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, MemoryError)


class Policy(NamedTuple):
    """Weights with what is needed to use them; `version` is a hash of the weights."""

    weights: Weights
    shape: Shape
    version: str
    meta: Mapping[str, Any]


def fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """Hash of the weights' bytes; the policy version in the ledger."""
    flat = (weights[k].detach().float().contiguous().numpy().tobytes() for k in sorted(weights))
    return digest(*flat, size=6).hex()


def save(path: str | Path, policy: Policy, *, half: bool = False) -> None:
    """Write a checkpoint: npz of plain arrays, with the shape and alphabet beside them."""
    dtype = np.float16 if half else np.float32
    arrays: dict[str, Any] = {
        k: v.detach().numpy().astype(dtype) for k, v in policy.weights.items()
    }
    about = {
        "format": FORMAT,
        "alphabet": ALPHABET,
        "shape": policy.shape.record(),
        "meta": dict(policy.meta),
    }
    buffer = BytesIO()
    np.savez_compressed(buffer, **{**arrays, "about": np.array(json.dumps(about))})
    write_atomic(path, buffer.getvalue())


def shipped() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(p.stem for p in SHIPPED.glob("*.npz"))


def load(name: str | Path | None = None) -> Policy:
    """Read a checkpoint: a file, or one of `shipped()`; None is `start`.

    Raises:
        ArgumentError: no file and no shipped checkpoint of that name.
        FormatError: the file is no checkpoint of ours, or a newer one.
    """
    path = Path(name or "start")
    if not path.is_file() and str(path) in shipped():
        path = SHIPPED / f"{path}.npz"
    if not path.is_file():
        raise ArgumentError(
            f"no checkpoint '{name}': give a file or one of {', '.join(shipped()) or 'none'}"
            f"{nearest(str(name), shipped())}"
        )
    about, arrays = _read(path)
    try:
        shape = Shape(**about["shape"])
        checks.within(1, 1024, width=shape.width, vocabulary=shape.vocabulary, hidden=shape.hidden)
        checks.within(1, len(arrays), layers=shape.layers)
        checks.within(1, 10**5, positions=shape.positions)
        if shape.width % (2 * shape.heads):
            raise ArgumentError(f"width {shape.width} does not split into {shape.heads} heads")
        wanted = {k: tuple(v.shape) for k, v in initial(shape, 0).items()}
    except (KeyError, TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise FormatError(path, field="shape", expected="sizes", got=str(error)) from None
    found = {k: v.shape for k, v in arrays.items()}
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            expected, got = (str(sizes.get(key, "none")) for sizes in (wanted, found))
            raise FormatError(path, field=key, expected=f"weights {expected}", got=got)
        if arrays[key].dtype.kind != "f" or not np.isfinite(arrays[key]).all():
            raise FormatError(path, field=key, expected="finite floats", got="others")
    weights = {k: torch.from_numpy(v.astype(np.float32)) for k, v in arrays.items()}
    return Policy(weights, shape, fingerprint(weights), about.get("meta", {}))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a checkpoint says of itself, and its arrays."""
    kind = "a tiny checkpoint (.npz)"
    try:
        # as a zip file, since np.load takes any file for what it claims to be
        with zipfile.ZipFile(path) as members:
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    BytesIO(members.read(name)), allow_pickle=False
                )
                for name in members.namelist()
            }
        about = json.loads(str(arrays.pop("about")))
        version = int(about["format"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, *_DAMAGED) as error:
        raise FormatError(path, expected=kind, got=f"something else ({error})") from None
    if version > FORMAT:
        raise FormatError(
            path,
            field="format",
            expected=f"at most {FORMAT}",
            got=str(version),
            remedy="this checkpoint is newer; update gradatim",
        )
    if about.get("alphabet") != ALPHABET:
        raise FormatError(
            path, field="alphabet", expected=ALPHABET, got=str(about.get("alphabet"))[:80]
        )
    return about, arrays


def compact(problem: Problem) -> str:
    """The prompt a tiny policy reads.

    Raises:
        ArgumentError: the problem has no compact prompt.
    """
    if problem.compact is None:
        raise ArgumentError(
            f"problem {problem.id} ({problem.family or 'from a file'}) has no compact prompt, "
            "which the tiny policy needs; generate one, or use another solver"
        )
    return problem.compact


def respond(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    counts: np.ndarray,
    *,
    limit: int,
    temperature: float,
    generator: torch.Generator,
    entropies: bool = False,
) -> Samples:
    """Sample counts[i] replies to each encoded prompt; see tiny_sampler.sample."""
    longest = max((len(p) for p in prompts), default=0) + limit
    if longest > policy.shape.positions:
        raise ArgumentError(
            f"prompt and reply need {longest} positions, the policy has {policy.shape.positions}"
        )
    return sample(
        policy.weights,
        policy.shape,
        ragged([list(p) for p in prompts]),
        counts=torch.from_numpy(np.asarray(counts, dtype=np.int64)),
        limit=limit,
        temperature=temperature,
        generator=generator,
        entropies=entropies,
    )


def texts(samples: Samples) -> list[str]:
    """The reply of each row as text."""
    tokens, lengths = samples.tokens.tolist(), samples.lengths.tolist()
    return [decode(row[:n]) for row, n in zip(tokens, lengths, strict=True)]


def flat(samples: Samples) -> Ragged:
    """The replies as one flat column."""
    return Ragged(reply_tokens(samples, samples.tokens), samples.lengths)


def reply_tokens(samples: Samples, values: torch.Tensor) -> torch.Tensor:
    """(token,) what a (row, longest) table holds of the replies' own tokens."""
    inside = torch.arange(values.shape[1]) < samples.lengths[:, None]
    return values[inside]


def open_tiny(
    argument: str | None = None,
    *,
    temperature: float = 1.0,
    limit: int = 24,
    seed: int = 0,
    rows: int = 1024,
) -> Solver:
    """A tiny checkpoint as a solver.

    Args:
        argument: a checkpoint file or a shipped name; None is the shipped start.
        temperature: 0 for greedy.
        limit: most characters of a reply; a reply that reaches it is `truncated`.
        seed: replies depend on the seed and on which requests share a batch.
        rows: attempts per batch, which bounds memory.
    """
    checks.within(0, 100, temperature=temperature)
    checks.within(1, 100, limit=limit)
    policy = load(argument)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        # prompts of one length pad nothing
        todo = sorted(requests, key=lambda r: len(compact(r.problem)))
        for chunk in _chunks(todo, rows):
            named = (seed, policy.version, *((r.problem.id, r.first) for r in chunk))
            noise = int.from_bytes(digest(*map(str, named), size=7), "big")
            samples = respond(
                policy,
                [encode(compact(r.problem)) for r in chunk],
                np.array([r.n for r in chunk]),
                limit=limit,
                temperature=temperature,
                generator=torch.Generator().manual_seed(noise),
                entropies=True,
            )
            yield _replies(chunk, samples)

    return Solver(
        name=f"tiny:{argument}" if argument else "tiny",
        policy=policy.version,
        params={"temperature": temperature, "limit": limit},
        prompt=compact,
        answer=answer,
    )


def _chunks(requests: Sequence[Request], rows: int) -> Iterator[list[Request]]:
    chunk: list[Request] = []
    total = 0
    for request in requests:
        if chunk and total + request.n > rows:
            yield chunk
            chunk, total = [], 0
        chunk.append(request)
        total += request.n
    if chunk:
        yield chunk


def _replies(chunk: Sequence[Request], samples: Samples) -> list[Reply]:
    replies = []
    rows = zip(
        texts(samples),
        samples.lengths.tolist(),
        samples.finished.tolist(),
        samples.logp.tolist(),
        samples.certainty.tolist(),
        strict=True,
    )
    for request in chunk:
        for j in range(request.n):
            text, length, finished, logp, sure = next(rows)
            replies.append(
                Reply(
                    request,
                    request.first + j,
                    text,
                    "finished" if finished else "truncated",
                    tokens=length,
                    prompt_tokens=len(request.problem.compact or ""),
                    logp=logp,
                    certainty=sure,
                )
            )
    return replies
