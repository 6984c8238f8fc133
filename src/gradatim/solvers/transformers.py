"""`hf:DIR_OR_GGUF`: a language model in this process, by transformers: batched, left-padded.

What an attempt draws depends on (seed, prompt, sample) alone, not on what shares its batch; see
`transformers_sampler` for what that means in the last digits. Nothing is fetched from a hub. The
model is loaded at the first question; log-probabilities are the model's own, at temperature 1.
"""

import functools
import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gradatim import checks, files
from gradatim.errors import ArgumentError, SolverError, extra
from gradatim.rng import Stream
from gradatim.solvers import gguf
from gradatim.solvers.model_files import pages
from gradatim.solvers.transformers_gguf import converted, quietly
from gradatim.solvers.transformers_sampler import Drawn, Row, Rule, sample
from gradatim.solvers.wire import Style, render
from gradatim.store.rows import prompt_hash
from gradatim.types import Problem, Reply, Request, Solver

STYLE = ("mode", "template", "system", "prefix", "shots", "stop", "max_tokens", "temperature")
STYLE += ("top_p", "seed")
OURS = {
    "mode": "",  # chat where the tokenizer has a chat template, else completions
    "max_tokens": 512,
    "seed": 0,
    "device": "auto",  # cuda or mps where there is one, else cpu
    "dtype": "auto",  # float32 on a cpu, else bfloat16
    "rows": 32,  # attempts in a batch, which bounds memory
    "cache": "",  # where converted GGUF files are kept; the user's cache folder
}
OPTIONS: dict[str, Any] = {f.name: f.default for f in fields(Style) if f.name in STYLE} | OURS
DTYPES = ("float32", "bfloat16", "float16")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
WEIGHTS = (".safetensors", ".bin")
FORWARD = ("attention_mask", "position_ids", "past_key_values")  # what a model must take
READ = (".json", ".jinja", ".model", ".txt", *WEIGHTS)  # kinds of files that change answers


class _Place(NamedTuple):
    """Where and how the model computes."""

    device: str
    dtype: str
    rows: int


def open_transformers(argument: str | None, **options: Any) -> Solver:
    """Open `hf:DIR_OR_GGUF`; the policy is a hash of the files that change answers.

    Args:
        argument: a folder as `save_pretrained` writes it, or a GGUF file, which is converted once.
        options: fields of `wire.Style` in STYLE, and those in OURS.

    Raises:
        ArgumentError: no such folder, no model or tokenizer in it, a bad option.
        MissingExtra: transformers, or for a GGUF file gguf, is not installed.
    """
    checks.known_keys("solver 'hf'", options, OPTIONS)
    given = OPTIONS | options
    place = _place(given)
    if not argument:
        raise ArgumentError("`solver` must look like hf:DIR or hf:FILE.gguf, got no path")
    path = Path(argument)
    if path.is_file():
        policy = gguf.fingerprint(path)
        folder = converted(path, given["cache"])
    else:
        folder = _checked(path)
        policy = fingerprint(folder)
    template = _has_template(folder)
    mode = given["mode"] or ("chat" if template else "completions")
    if mode == "chat" and not template:
        raise ArgumentError(f"`mode` chat: {path} has no chat template; use mode=completions")
    chosen: dict[str, Any] = {name: given[name] for name in STYLE} | {"mode": mode}
    style = Style(**chosen)
    checks.within(1e-6, 1, top_p=1 if style.top_p is None else style.top_p)
    model = _Model(folder, place)

    def prompt(problem: Problem) -> str:
        sent = render(style, problem)
        return sent if isinstance(sent, str) else files.dumps(sent)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        return _answer(model, style, requests, prompt)

    params = {k: v for k in STYLE if (v := getattr(style, k)) not in (None, "", (), [])}
    return Solver(
        name=f"hf:{path.resolve().name}",
        answer=answer,
        policy=policy,
        params=params | {"dtype": place.dtype},
        prompt=prompt,
        close=model.close,
    )


# -- files and settings -----------------------------------------------------------------------


def _checked(folder: Path) -> Path:
    """The folder, if it holds a configuration, a tokenizer and weights."""
    if not folder.is_dir():
        raise ArgumentError(
            f"`solver` must look like hf:DIR with a folder or a GGUF file, got hf:{folder}; "
            "a model of a hub is downloaded first: hf download NAME --local-dir DIR"
        )
    names = sorted(p.name for p in folder.iterdir())
    wanted = {
        "a model's folder (config.json)": "config.json" in names,
        "a tokenizer (tokenizer.json)": any(name in names for name in TOKENIZERS),
        "weights (model.safetensors)": any(name.endswith(WEIGHTS) for name in names),
    }
    for what, there in wanted.items():
        if not there:
            held = ", ".join(names[:8]) or "nothing"
            raise ArgumentError(f"`solver`: {folder} lacks {what}; it holds {held}")
    return folder


def fingerprint(folder: Path) -> str:
    """Hash of the files of a model folder that change answers, by `model_files.pages`."""
    found = hashlib.blake2b(digest_size=6)
    for path in sorted(folder.iterdir()):
        if path.suffix in READ and path.is_file():
            found.update(f"{path.name} ".encode())
            for page in pages(path):
                found.update(page)
    return found.hexdigest()


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and '"chat_template"' in files.read_text(path)


def _place(given: Mapping[str, Any]) -> _Place:
    device, dtype = given["device"], given["dtype"]
    checks.whole(1, 10**5, rows=given["rows"])
    kind = str(device).partition(":")[0]
    checks.one_of("device", kind, ("auto", "cpu", "cuda", "mps"))
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind == "auto":
        device = kind = next((name for name, is_there in there.items() if is_there), "cpu")
    if not there.get(kind, True):
        raise ArgumentError(f"`device` {device}: torch sees none here; use device=cpu")
    checks.one_of("dtype", dtype, ("auto", *DTYPES))
    if dtype == "auto":
        dtype = "float32" if kind == "cpu" else "bfloat16"
    return _Place(device, dtype, given["rows"])


# -- the model --------------------------------------------------------------------------------


class _Model:
    """Tokenizer and model of a folder, each loaded when first needed."""

    def __init__(self, folder: Path, place: _Place) -> None:
        self.folder, self.place = folder, place
        self.loaded: Any = None

    @functools.cached_property
    def tokenizer(self) -> Any:
        library = extra("transformers", "hf")
        return self._load(library.AutoTokenizer)

    @property
    def model(self) -> Any:
        if self.loaded is None:
            library = extra("transformers", "hf")
            dtype = getattr(torch, self.place.dtype)
            model = self._load(library.AutoModelForCausalLM, dtype=dtype)
            takes = inspect.signature(model.forward).parameters
            for name in FORWARD:
                if name not in takes:
                    kind = type(model).__name__
                    raise SolverError(f"{self.folder}: a {kind} takes no {name}, which hf: needs")
            self.loaded = model.to(self.place.device).eval()
        return self.loaded

    def _load(self, kind: Any, **options: Any) -> Any:
        try:
            with quietly():
                return kind.from_pretrained(self.folder, local_files_only=True, **options)
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            why = str(error).strip().splitlines()
            raise SolverError(
                f"transformers cannot load {self.folder}: {why[0] if why else type(error).__name__}"
            ) from error

    @property
    def context(self) -> int:
        """Tokens of prompt and reply that the model was made for."""
        return int(getattr(self.model.config, "max_position_embeddings", None) or 10**9)

    @functools.cached_property
    def ends(self) -> frozenset[int]:
        found: set[int] = set()
        for ids in (self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id):
            found.update([ids] if isinstance(ids, int) else ids or ())
        return frozenset(found)

    def encode(self, sent: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a rendered prompt; in a chat the template brings the special tokens."""
        if isinstance(sent, str):
            return self.tokenizer(sent)["input_ids"]
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in sent], tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template is a program, and refuses as it likes
            raise ArgumentError(f"the chat template of {self.folder} refuses: {error}") from error
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def close(self) -> None:
        self.loaded = None


# -- requests to replies ----------------------------------------------------------------------


class _Attempt(NamedTuple):
    """One attempt to be made, its prompt encoded."""

    request: Request
    sample: int
    prompt: tuple[int, ...]
    key: str


def _answer(
    model: _Model,
    style: Style,
    requests: Sequence[Request],
    prompt: Callable[[Problem], str],
) -> Iterator[list[Reply]]:
    """Batches of prompts of similar length; prompts that do not fit are provider errors."""
    attempts: list[_Attempt] = []
    for request in requests:
        tokens = tuple(model.encode(render(style, request.problem)))
        key = prompt_hash(prompt(request.problem))
        attempts += [
            _Attempt(request, i, tokens, key)
            for i in range(request.first, request.first + request.n)
        ]
    fits = [a for a in attempts if 0 < len(a.prompt) < model.context]
    lost = [a for a in attempts if not 0 < len(a.prompt) < model.context]
    if lost:
        yield [
            Reply(
                a.request,
                a.sample,
                None,
                "provider_error",
                detail=f"a prompt of {len(a.prompt)} tokens; the model reads 1 to {model.context}",
            )
            for a in lost
        ]
    fits.sort(key=lambda a: len(a.prompt), reverse=True)  # stable; what needs most memory first
    for start in range(0, len(fits), model.place.rows):
        yield _batch(model, style, fits[start : start + model.place.rows])


def _batch(model: _Model, style: Style, attempts: Sequence[_Attempt]) -> list[Reply]:
    places = {prompt: i for i, prompt in enumerate(dict.fromkeys(a.prompt for a in attempts))}
    most = style.max_tokens or model.context
    rows = [
        Row(
            places[a.prompt],
            min(most, model.context - len(a.prompt)),
            Stream(style.seed or 0, "hf", a.key, a.sample).uniform,
        )
        for a in attempts
    ]
    stops = [style.stop] if isinstance(style.stop, str) else list(style.stop)
    stops = [stop for stop in stops if stop]
    rule = Rule(
        1.0 if style.temperature is None else style.temperature,
        1.0 if style.top_p is None else style.top_p,
        model.ends,
        functools.partial(_stopped, model, stops),
    )
    begin = time.perf_counter()
    try:
        drawn = sample(
            model.model,
            list(places),
            rows,
            rule=rule,
            device=model.place.device,
            share=not getattr(model.model.config, "sliding_window", None),
        )
    except torch.OutOfMemoryError as error:
        raise SolverError(
            f"{model.folder.name} ran out of memory with {len(attempts)} attempts in a batch; "
            "set `rows` lower, the same command resumes"
        ) from error
    seconds = (time.perf_counter() - begin) / len(attempts)
    return [
        _reply(model, stops, a, d)._replace(seconds=seconds)
        for a, d in zip(attempts, drawn, strict=True)
    ]


def _stopped(model: _Model, stops: Sequence[str], tokens: list[int]) -> bool:
    """Whether the newest tokens complete a stop; a character may be several tokens long."""
    if not stops:
        return False
    tail = model.decode(tokens[-4 * max(map(len, stops)) - 8 :])
    return any(stop in tail for stop in stops) and _cut(model.decode(tokens), stops) is not None


def _cut(text: str, stops: Sequence[str]) -> str | None:
    """The text up to its first stop; None where there is none."""
    at = min((place for stop in stops if (place := text.find(stop)) >= 0), default=-1)
    return text[:at] if at >= 0 else None


def _reply(model: _Model, stops: Sequence[str], attempt: _Attempt, drawn: Drawn) -> Reply:
    text = model.decode(drawn.tokens)
    cut = _cut(text, stops)
    return Reply(
        attempt.request,
        attempt.sample,
        text if cut is None else cut,
        "finished" if drawn.finished else "truncated",
        tokens=len(drawn.tokens),
        prompt_tokens=len(attempt.prompt),
        logp=drawn.logp,
        certainty=drawn.certainty,
    )
