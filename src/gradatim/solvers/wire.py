"""What goes over the line to an OpenAI-compatible server, and what comes back, checked.

Pure functions: a problem and a Style to a request body; a status code and bytes to Choices or a
Fault. Servers differ silently, so nothing that comes back is believed before it is looked at.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.solvers import refusals
from gradatim.solvers.headers import asked_wait, request_id
from gradatim.solvers.keys import refuse_keys
from gradatim.types import Message, Problem

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
MAY_PASS = (408, 409, 425, 429)  # and 5xx
OF_REQUEST = ("400", "413", "422")  # may be this one prompt's fault, not the set-up's
OF_SERVER = ("401", "402", "403", "404", "quota", "connection")  # never one prompt's
ENDS = {
    **dict.fromkeys(("length", "max_tokens", "model_length"), "truncated"),
    **dict.fromkeys(("content_filter", "error", "abort"), "provider_error"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Everything about a request that changes its answer.

    Attributes:
        mode: "chat" (messages) or "completions" (one text to continue).
        template: what is sent for a prompt; `{prompt}` stands for it.
        system: a system message; in completions mode the first paragraph.
        prefix: text before the (first) prompt.
        shots: solved examples, pairs of prompt and answer, as turns of the chat, or as
            template(prompt) + answer + blank line.
        stop: texts that end an answer.
        seed: of the server's sampler; each request sends its own, derived from it.
        body: further fields of the request, as the server names them.
    """

    mode: str = "chat"
    template: str = "{prompt}"
    system: str = ""
    prefix: str = ""
    shots: Sequence[Sequence[str]] = ()
    stop: str | Sequence[str] = ()
    max_tokens: int | None = 1024
    temperature: float | None = 1.0
    top_p: float | None = None
    seed: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.one_of("mode", self.mode, PATHS)
        if "{prompt}" not in self.template:
            raise ArgumentError(f"`template` must contain {{prompt}}, got {self.template!r}")
        if any(len(pair) != 2 for pair in self.shots):
            raise ArgumentError("`shots` must be pairs of prompt and answer")
        if self.temperature is not None:
            checks.within(0, 100, temperature=self.temperature)
        if self.max_tokens is not None:
            checks.whole(1, 10**9, max_tokens=self.max_tokens)
        refuse_keys(self.body)

    @property
    def longest(self) -> int | None:
        """Most tokens of one answer, None where nothing bounds them."""
        names = ("max_completion_tokens", "max_tokens", "n_predict")
        found = [self.body[n] for n in names if isinstance(self.body.get(n), int)]
        return min([*found, *([] if self.max_tokens is None else [self.max_tokens])], default=None)


class Choice(NamedTuple):
    """One answer of a response; `status` as of an attempt."""

    text: str | None
    status: str
    tokens: int = -1
    logp: float | None = None
    detail: str = ""


class Answered(NamedTuple):
    """A response that holds answers; `answer_tokens` is what `usage` says of them, or of one."""

    choices: list[Choice]
    prompt_tokens: int
    answer_tokens: int = -1


class Fault(NamedTuple):
    """A response, or the lack of one, that holds no answer.

    Attributes:
        cause: what identical faults share: a status code or a word.
        detail: for people.
        passing: whether the same request may work later.
        wait: seconds the server asked for.
    """

    cause: str
    detail: str
    passing: bool
    wait: float | None = None


# -- there ------------------------------------------------------------------------------------


def render(style: Style, problem: Problem) -> str | list[Message]:
    r"""The exact prompt: messages in chat mode, a text in completions mode.

    >>> problem = Problem(id="x", prompt="2+3=", answer="5")
    >>> render(Style(mode="completions", template="Q {prompt}", shots=[["1+1=", "2"]]), problem)
    'Q 1+1=2\n\nQ 2+3='
    """

    def fill(text: str) -> str:
        return style.template.replace("{prompt}", text)

    if style.mode == "chat":
        turns: list[Message] = [{"role": "system", "content": style.system}] * bool(style.system)
        for prompt, answer in style.shots:
            turns.append({"role": "user", "content": fill(prompt)})
            turns.append({"role": "assistant", "content": answer})
        if isinstance(problem.prompt, str):
            return [*turns, {"role": "user", "content": style.prefix + fill(problem.prompt)}]
        *before, last = problem.prompt
        return [*turns, *before, {**last, "content": style.prefix + fill(last["content"])}]
    prompt = problem.prompt
    if not isinstance(prompt, str):
        prompt = "\n\n".join(message["content"] for message in prompt)
    shots = "".join(f"{fill(p)}{answer}\n\n" for p, answer in style.shots)
    opening = f"{style.system}\n\n" if style.system else ""
    return opening + style.prefix + shots + fill(prompt)


def build(style: Style, problem: Problem, *, model: str, n: int, seed: int | None) -> dict:
    """The request body; fields that were not set are not sent.

    >>> build(Style(), Problem(id="x", prompt="hi", answer=""), model="m", n=1, seed=None)["model"]
    'm'
    """
    prompt = render(style, problem)
    body: dict[str, Any] = {
        "model": model,
        "messages" if style.mode == "chat" else "prompt": prompt,
    }
    for name in ("max_tokens", "temperature", "top_p"):
        if getattr(style, name) is not None:
            body[name] = getattr(style, name)
    if style.stop:
        body["stop"] = [style.stop] if isinstance(style.stop, str) else list(style.stop)
    if seed is not None:
        body["seed"] = seed
    if n > 1:
        body["n"] = n
    return body | dict(style.body)


# -- and back ---------------------------------------------------------------------------------


def read_response(
    code: int, headers: Mapping[str, str], raw: bytes, *, mode: str, asked: int
) -> Answered | Fault:
    """Look at a response; believe nothing.

    Args:
        code: HTTP status.
        headers: of the response, for Retry-After.
        raw: the body.
        mode: of the request.
        asked: choices asked for.

    >>> read_response(200, {}, b"<html>log in</html>", mode="chat", asked=1).cause
    'not JSON'
    """
    got = _refusal(code, headers, raw, mode) if code != 200 else _success(raw, mode, asked)
    if isinstance(got, Fault) and (name := request_id(headers)):
        return got._replace(detail=f"{got.detail} [request {name}]")
    return got


def _success(raw: bytes, mode: str, asked: int) -> Answered | Fault:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        page = raw.lstrip()[:1] == b"<"
        detail = f"{'a web page' if page else 'a broken body'} with status 200: {_excerpt(raw)}"
        return Fault("not JSON", detail + "; check the URL" * page, True)
    if not isinstance(value, dict):
        return Fault("not an object", f"JSON that is no object: {_excerpt(raw)}", True)
    if value.get("error"):
        return Fault("error", f"an error with status 200: {_message(value, raw)}", True)
    rows = value.get("choices")
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        return Fault("no choices", f"no choices: {_excerpt(raw)}", True)
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    # with several choices servers disagree on what completion_tokens counts: some count one
    said = _count(usage.get("completion_tokens"))
    alone = said if len(rows) == 1 and asked == 1 else -1
    choices = [_choice(row, mode, alone) for row in rows]
    return Answered(choices, _count(usage.get("prompt_tokens")), said)


def _choice(row: dict, mode: str, tokens: int) -> Choice:
    holder = row.get("message") if mode == "chat" else row
    holder = holder if isinstance(holder, dict) else {}
    text = _text(holder.get("content" if mode == "chat" else "text"))
    end = str(row.get("finish_reason")).lower()
    status = ENDS.get(end, "finished")
    detail = "" if status != "provider_error" else f"finish_reason {end}"
    if text is None:
        refusal = holder.get("refusal")
        detail = detail or _silence(holder)
        text = refusal if isinstance(refusal, str) else ""
    logps = _logps(row.get("logprobs"))
    if logps and tokens < 0:
        tokens = len(logps)
    return Choice(_clean(text), status, tokens, sum(logps) if logps else None, detail)


def _text(content: Any) -> str | None:
    """The text of a content, which some servers send in parts; None where there is none."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str)) or None
    return content if isinstance(content, str) else None


def _silence(message: dict) -> str:
    """The name of an answer without text."""
    if isinstance(message.get("refusal"), str):
        return "refusal"
    if message.get("tool_calls") or message.get("function_call"):
        return "tool_calls"
    if message.get("reasoning_content") or message.get("reasoning"):
        return "reasoning only"
    return "null content"


def _logps(value: Any) -> list[float]:
    """Log-probabilities of the reply's tokens, in either of the two shapes servers use."""
    if not isinstance(value, dict):
        return []
    rows = value.get("content")
    if isinstance(rows, list):
        found = [row.get("logprob") if isinstance(row, dict) else None for row in rows]
    else:
        found = value.get("token_logprobs") or []
    numbers = [float(v) for v in found if isinstance(v, int | float)]
    return numbers if len(numbers) == len(found) else []


def _refusal(code: int, headers: Mapping[str, str], raw: bytes, mode: str) -> Fault:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    text = _message(value, raw)
    wait = asked_wait(headers)
    whole = raw[:4096].decode("utf-8", "replace")
    spent = wait is None and refusals.is_spent(code, whole)
    passing = (code in MAY_PASS or code >= 500) and not spent
    hint = "" if passing else refusals.hint(code, whole, mode)
    if 300 <= code < 400 and (place := headers.get("Location")):
        hint = f"give the URL that it points to: {place[:200]}"
    detail = f"HTTP {code}: {text}" + (f"; {hint}" if hint else "")
    return Fault("quota" if spent else str(code), detail, passing, wait)


def _message(value: Any, raw: bytes) -> str:
    """The server's own words: error.message, message, detail, or the body."""
    found = value
    if isinstance(found, dict):
        found = found.get("error") or found.get("message") or found.get("detail")
    if isinstance(found, dict):
        found = found.get("message")
    found = " ".join(found.split()) if isinstance(found, str) else None  # one line
    return found[:200] if isinstance(found, str) else _excerpt(raw)


def _excerpt(raw: bytes) -> str:
    return repr(raw[:80].decode("utf-8", "replace"))


def _count(value: Any) -> int:
    """A count that can be one: larger ones than 2^53 fit no column and are no tokens."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < 2**53 else -1


def _clean(text: str) -> str:
    """Join surrogate pairs, replace lone ones: they cannot be stored as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
