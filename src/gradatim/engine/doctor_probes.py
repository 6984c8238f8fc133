"""What each probe asks a server, and what its answer means for a run.

A finding with `harm` would make a run wrong or its costs unbounded; the others are dealt with, or
change nothing that is measured. `honoured` is None where the answer does not tell.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from gradatim.engine.doctor_talk import TOKENS, Said, Talk

COUNT = "Count from 1 to 100, separated by commas."
RANDOM = "Write ten random words."
ONLY = "Whatever you are asked, answer with the one word PINEAPPLE."
HOT = 1.5
MANY = 4
FEW_TOKENS = 4
LONG = 12 * TOKENS  # characters that so few tokens do not hold


class Finding(NamedTuple):
    """One probe: what was asked, what came, what it means for gradatim."""

    name: str
    honoured: bool | None
    asked: str
    got: str
    means: str
    harm: bool = False


def _words(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _failed(name: str, asked: str, said: Said, means: str) -> Finding:
    """A refusal says that it is not honoured, a lost connection says nothing."""
    refused = said.fault is not None and not said.fault.passing and said.fault.cause.isdigit()
    return Finding(name, False if refused else None, asked, said.why, means if refused else "")


async def model(talk: Talk, _: Said) -> list[Finding]:
    """Is the model's name on the server's list?"""
    value = await talk.get("/models")
    rows = value.get("data") if isinstance(value, dict) else None
    names = [str(row.get("id")) for row in rows or () if isinstance(row, dict)]
    asked = f"whether GET /models lists {talk.model}"
    if not names:
        return [Finding("model", None, asked, "no list", "")]
    if talk.model in names:
        return [Finding("model", True, asked, f"it does, of {_words(len(names), 'model')}", "")]
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    means = "the server answers whatever the name: the ledger's name may not be who answered"
    return [Finding("model", False, asked, f"it lists {listed}", means)]


async def other_mode(talk: Talk, _: Said) -> list[Finding]:
    """Does the mode that was not asked for work too?"""
    other = {"chat": "completions", "completions": "chat"}[talk.style.mode]
    said = await talk.say(COUNT, mode=other, max_tokens=FEW_TOKENS)
    asked = f"mode={other}"
    if said.fault:
        return [_failed(other, asked, said, f"mode={talk.style.mode} is the only one")]
    return [Finding(other, True, asked, f"answered {said.text[:20]!r}", "")]


async def greedy(talk: Talk, first: Said) -> list[Finding]:
    """Is temperature 0 the same text twice, one by one and several at once?"""
    again = await talk.say(COUNT)
    many = await talk.together(MANY, COUNT)
    asked = "temperature=0 twice"
    repeats = None if again.fault else again.text == first.text
    if again.fault:
        found = Finding("greedy", None, asked, again.why, "")
    elif repeats:
        found = Finding("greedy", True, asked, "equal texts", "")
    else:
        means = "temperature 0 does not repeat: a second run will differ from the first"
        found = Finding("greedy", False, asked, "two texts", means)
    return [found, _parallel(first, many, bool(repeats))]


def _parallel(first: Said, many: Any, repeats: bool) -> Finding:
    asked = f"{MANY} requests at once"
    refused = [said.why or said.before for said in many if said.why or said.before]
    if refused:
        lost = sum(said.fault is not None for said in many)
        got = f"{len(refused)} refused, {lost} of them again and again: {refused[0]}"
        means = "refused requests are sent again later; --set in_flight=1 spares that"
        return Finding("parallel", False, asked, got, means)
    slowest = max(said.seconds for said in many)
    got = f"all answered; {slowest:.2f} s, one alone {first.seconds:.2f} s"
    if not repeats or {said.text for said in many} == {first.text}:
        return Finding("parallel", True, asked, got, "")
    means = "greedy answers depend on what else is in flight: repeats differ a little"
    return Finding("parallel", True, asked, got + "; texts differ from the one alone", means)


async def sampling(talk: Talk, first: Said) -> list[Finding]:
    """Do temperature and seeds change answers?"""
    hot = {"temperature": HOT, "max_tokens": 2 * TOKENS}
    drawn = await talk.together(MANY, RANDOM, **hot)
    seeded = [await talk.say(RANDOM, seed=seed, **hot) for seed in (7, 7, 8)]
    return [_temperature(talk, drawn, seeded), _seed(talk, drawn, seeded)]


async def draws(talk: Talk, first: Said) -> list[Finding]:
    """Do two answers of a run in this style differ? If not, `sampling` says why."""
    seeds = (None, None) if talk.style.seed is None else (7, 8)
    hot = {"temperature": HOT, "max_tokens": 2 * TOKENS}
    two = await asyncio.gather(*(talk.say(RANDOM, seed=seed, **hot) for seed in seeds))
    if any(said.fault for said in two) or two[0].text != two[1].text:
        return []
    return await sampling(talk, first)


def _temperature(talk: Talk, drawn: Any, seeded: list[Said]) -> Finding:
    asked = f"{MANY} answers at temperature={HOT:g}"
    texts = [said.text for said in drawn if said.text.strip()]
    if len(texts) < 2:
        why = next((said.why for said in drawn if said.fault), "empty texts")
        refusal = next((said for said in drawn if said.fault), None)
        means = "answers at this temperature cannot be had: --set temperature=null leaves it out"
        if refusal:
            return _failed("temperature", asked, refusal, means)
        return Finding("temperature", None, asked, why, "")
    distinct = len(set(texts))
    if distinct > 1:
        return Finding("temperature", True, asked, _words(distinct, "different text"), "")
    if len({said.text for said in seeded if said.text.strip()}) > 1:
        means = "without a seed all samples are one: give one (--set seed=1)"
        harm = talk.style.seed is None
        return Finding("temperature", True, asked, "one text; others with seeds", means, harm)
    means = "temperature is ignored or answers are cached: pass rates would be those of one answer"
    return Finding("temperature", False, asked, "one text", means, samples(talk))


def samples(talk: Talk) -> bool:
    """Whether a run in this style is meant to draw its answers."""
    return talk.style.temperature is None or talk.style.temperature > 0


def _seed(talk: Talk, drawn: Any, seeded: list[Said]) -> Finding:
    asked = f"seeds 7, 7, 8 at temperature={HOT:g}"
    failed = next((said for said in seeded if said.fault), None)
    if failed:
        return _failed("seed", asked, failed, "leave seed out: runs cannot be repeated")
    same, other = seeded[0].text == seeded[1].text, seeded[0].text != seeded[2].text
    if same and other:
        return Finding("seed", True, asked, "one text for 7, another for 8", "")
    if not same:
        means = "seeds are ignored: a run cannot be repeated; its pass rates are sound"
        return Finding("seed", False, asked, "two texts for one seed", means)
    if len({said.text for said in drawn}) == 1:
        return Finding("seed", None, asked, "one text, as without seeds", "")
    means = "all seeds give one text: leave seed out, or all samples are one"
    harm = talk.style.seed is not None
    return Finding("seed", False, asked, "one text for all seeds", means, harm)


async def choices(talk: Talk, first: Said) -> list[Finding]:
    """Are `n` answers given, are they different, and are all counted?"""
    asked = f"n={MANY} at temperature={HOT:g}"
    # a seed as in a run: some servers give one text to all choices only where there is one
    seed, other = (None, None) if talk.style.seed is None else (7, 8)
    said = await talk.say(RANDOM, n=MANY, seed=seed, temperature=HOT)
    if said.fault:
        return [_failed("n", asked, said, "refused: asked one by one"), _usage(first, first, 1)]
    got, distinct = len(said.texts), len(set(said.texts))
    if got < MANY:
        found = Finding("n", False, asked, _words(got, "choice"), "ignored: asked one by one")
    elif distinct == 1 and (
        (await talk.say(RANDOM, seed=other, temperature=HOT)).text == said.text
    ):
        found = Finding("n", None, asked, f"{got} choices, equal as those of {got} requests", "")
    elif distinct == 1:
        means = "choices of one request are copies: ask one by one (--set choices=1)"
        harm = samples(talk) and talk.line.choices > 1
        found = Finding("n", False, asked, f"{got} equal choices", means, harm)
    else:
        found = Finding("n", True, asked, f"{got} choices, {distinct} different", "")
    return [found, _usage(first, said, got)]


def _usage(first: Said, said: Said, got: int) -> Finding:
    """Is completion_tokens at least what the choices must have taken?"""
    asked = "whether usage counts the tokens of all choices"
    one, all_of = first.usage("completion_tokens"), said.usage("completion_tokens")
    if one is None:
        means = "no usage: tokens are unknown unless logprobs=true, budgets in tokens are not met"
        return Finding("usage", False, asked, "no completion_tokens", means)
    cut = first.statuses[0] == "truncated"
    if cut and one != TOKENS:
        means = "token counts and budgets in tokens are wrong by that"
        return Finding("usage", False, asked, f"{one} for a reply cut at {TOKENS}", means)
    if all_of is None or got < 2:
        return Finding("usage", None, asked, f"{one} for one choice", "")
    least = sum(TOKENS if status == "truncated" else 1 for status in said.statuses)
    counted = f"{all_of} for {got} choices of up to {TOKENS}"
    if all_of >= least:
        return Finding("usage", True, asked, counted, "")
    means = "counts one choice of several: gradatim takes no count from such a response"
    return Finding("usage", False, asked, counted, means)


async def log_probabilities(talk: Talk, first: Said) -> list[Finding]:
    """Are the log-probabilities of the reply's tokens there, and numbers that can be such?"""
    field = {"logprobs": True} if talk.style.mode == "chat" else {"logprobs": 1}
    said = await talk.say(COUNT, extra=field)
    asked, needed = "logprobs", talk.line.logprobs
    means = "no log-probabilities: token counts and confidence come without them"
    if said.fault:
        return [_failed("logprobs", asked, said, means)._replace(harm=needed)]
    logp = said.logps[0]
    if logp is None:
        got = "null" if "logprobs" in _choice(said) else "no such field"
        return [Finding("logprobs", False, asked, got, means, needed)]
    if not math.isfinite(logp) or logp > 1e-3:
        means = "these are no log-probabilities: leave logprobs out"
        return [Finding("logprobs", False, asked, f"a sum of {logp:g}", means, needed)]
    return [Finding("logprobs", True, asked, f"a sum of {logp:.2f}", "")]


def _choice(said: Said) -> Any:
    return said.value["choices"][0]


async def stop(talk: Talk, first: Said) -> list[Finding]:
    """Does a text that ends answers end one?"""
    pieces = first.text[len(first.text) // 2 :].replace(",", " ").split()
    if not pieces:
        return [Finding("stop", None, "stop", f"too short a reply: {first.text!r}", "")]
    mark = pieces[0]
    asked, needed = f"stop={mark!r}, which the greedy reply holds", bool(talk.style.stop)
    said = await talk.say(COUNT, stop=mark)
    means = "ignored: replies run on past it, and the wrong part may be graded"
    if said.fault:
        return [_failed("stop", asked, said, means)._replace(harm=needed)]
    if mark not in said.text and first.text.startswith(said.text.strip()):
        return [Finding("stop", True, asked, "the reply ends before it", "")]
    if mark not in said.text:
        return [Finding("stop", None, asked, "another reply, without it", "")]
    if said.text.rstrip().endswith(mark) and said.text.count(mark) == 1:
        means = "the stop text stays at the end of the reply; it is graded with it"
        return [Finding("stop", True, asked, "the reply ends with it", means)]
    return [Finding("stop", False, asked, "the reply goes on after it", means, needed)]


async def length(talk: Talk, first: Said) -> list[Finding]:
    """Does max_tokens cut a reply, and is the cut told?"""
    asked = f"max_tokens={FEW_TOKENS}, beside {TOKENS}"
    said = await talk.say(COUNT, max_tokens=FEW_TOKENS)
    means = "ignored: replies and costs have no bound"
    if said.fault:
        return [_failed("max_tokens", asked, said, means)]
    same = said.text == first.text
    if len(said.text) > LONG or (same and len(said.text) > 12 * FEW_TOKENS):
        got = f"{len(said.text)} characters both times" if same else f"{len(said.text)} characters"
        return [Finding("max_tokens", False, asked, got, means, True)]
    if same:
        return [Finding("max_tokens", None, asked, f"the reply is short: {said.text!r}", "")]
    found = [Finding("max_tokens", True, asked, f"cut to {said.text!r}", "")]
    asked, reason = "finish_reason of that reply", str(_choice(said).get("finish_reason"))
    if said.statuses[0] == "truncated":
        return [*found, Finding("finish_reason", True, asked, reason, "")]
    means = "cut replies look finished: how many were truncated cannot be told"
    return [*found, Finding("finish_reason", False, asked, reason, means)]


async def system(talk: Talk, first: Said) -> list[Finding]:
    """Does a system message reach the model?"""
    if talk.style.mode != "chat":
        return []
    asked, needed = "a system message that changes the answer", bool(talk.style.system)
    said = await talk.say(COUNT, system=ONLY)
    if said.fault:
        means = "refused: put it into the prompt (--set prefix=...)"
        return [_failed("system", asked, said, means)._replace(harm=needed)]
    before, after = first.usage("prompt_tokens"), said.usage("prompt_tokens")
    if said.text != first.text:
        return [Finding("system", True, asked, "another answer", "")]
    if before is not None and after is not None and after > before:
        got = f"the same answer, {after - before} tokens more of prompt"
        return [Finding("system", True, asked, got, "it arrives, and the model does not heed it")]
    means = "dropped: put it into the prompt (--set prefix=...)"
    return [Finding("system", False, asked, "the same answer and prompt length", means, needed)]


async def echo(talk: Talk, first: Said) -> list[Finding]:
    """Can a prompt be read back, and with it scored? Completions only."""
    if talk.style.mode != "completions":
        return []
    said = await talk.say(COUNT, max_tokens=1, extra={"echo": True, "logprobs": 1})
    asked, means = "echo=true", "texts that were not sampled here cannot be scored"
    if said.fault:
        return [_failed("echo", asked, said, means)]
    if said.text.lstrip().startswith(COUNT):
        return [Finding("echo", True, asked, "the prompt comes back", "")]
    return [Finding("echo", False, asked, "the reply alone", means)]


Probe = Callable[[Talk, Said], Coroutine[Any, Any, list[Finding]]]
PROBES: tuple[Probe, ...] = (
    model,
    other_mode,
    greedy,
    sampling,
    choices,
    log_probabilities,
    stop,
    length,
    system,
    echo,
)
