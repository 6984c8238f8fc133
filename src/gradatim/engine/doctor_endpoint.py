"""What an OpenAI-compatible server honours: a handful of short requests, looked at whole.

Servers differ silently: `n` or the temperature ignored, log-probabilities null, usage counting one
choice of four. `examine` says so before anything is paid for; `vet` is the part of it that a run
asks by itself.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from gradatim.engine import doctor_probes as probes
from gradatim.engine.doctor_probes import Finding, Probe
from gradatim.engine.doctor_talk import INSTEAD, Said, Talk, opened
from gradatim.errors import SolverError
from gradatim.progress import Progress, Tick, silent
from gradatim.solvers import endpoint
from gradatim.solvers.account import Account, Paid
from gradatim.solvers.spending import Cost, Spending
from gradatim.solvers.wire import PATHS
from gradatim.types import Request

FEW = 16  # attempts of a run that are not worth asking first
MOST = 20  # requests of `vet`, if none has to be sent again
MOST_COST = Cost(MOST * 40, MOST * 40)  # theirs: short questions, 16 or 32 tokens of reply


def examine(argument: str, *, progress: Progress = silent, **options: Any) -> dict[str, Any]:
    """Ask a server what it honours.

    Args:
        argument: MODEL@URL, as in `openai:MODEL@URL`.
        progress: told after each probe.
        options: of that solver; what they ask for is what the server must honour.

    Returns:
        endpoint, model, url, mode; `reached`: whether it answered to the end; `probes`: name,
        honoured (None: cannot be told), asked, got, means, harm; `ok`: it answered and nothing
        found would make a run with these options wrong; warnings; requests, tokens and seconds
        that this took.

    Raises:
        ArgumentError: a bad target or option.
    """
    return asyncio.run(_examine(argument, options, progress))


async def _examine(argument: str, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
    begin = time.perf_counter()
    talk = _talk(argument, options)
    stage, steps = f"asking {talk.model}", 1 + len(probes.PROBES)
    async with opened(talk):
        progress(Tick(stage, 0, steps))
        first, found = await _reach(talk)
        if first is not None:
            for done, probe in enumerate(probes.PROBES, start=1):
                progress(Tick(stage, done, steps, {"requests": talk.requests}))
                found += await probe(talk, first)
                if talk.lost:  # the rest would wait for a server that is gone
                    found.append(_gone(talk))
                    break
        progress(Tick(stage, steps, steps, {"requests": talk.requests}))
    return {
        "endpoint": f"openai:{argument}",
        "model": talk.model,
        "url": talk.url,
        "mode": talk.style.mode,
        "reached": not (first is None or talk.lost),
        "probes": [finding._asdict() for finding in found],
        "warnings": [f"{f.name}: {f.got}{f.means and '; ' + f.means}" for f in found if f.harm],
        "ok": not any(finding.harm for finding in found),
        "requests": talk.requests,
        "tokens": talk.tokens,
        "seconds": round(time.perf_counter() - begin, 2),
    }


def _gone(talk: Talk) -> Finding:
    means = "the server answered and then did not: start it again, or ask when it is less busy"
    return Finding("answers", False, f"{talk.requests} requests", talk.lost, means, True)


def _talk(argument: str, options: dict[str, Any]) -> Talk:
    model, bases = endpoint.parse_target(argument)
    style, line = endpoint.split_options(options)
    return Talk(model, bases, style, line)


async def _reach(talk: Talk) -> tuple[Said | None, list[Finding]]:
    """The first answer, at the base URL that knows the path; None and why there is none."""
    heard: dict[str, Said] = {}
    for base in talk.bases:
        talk.bases = [base]
        heard[base] = said = await talk.say(probes.COUNT)
        if not said.fault or said.fault.cause != "404" or await talk.get("/models"):
            break  # it answers, or knows the path and not the model
    else:
        talk.bases = list(heard)[:1]
    said = heard[talk.bases[0]]
    mode, path = talk.style.mode, PATHS[talk.style.mode]
    if not said.fault:
        got = f"an answer in {said.seconds:.2f} s: {said.text[:20]!r}"
        return said, [Finding(mode, True, f"POST {talk.url}", got, "")]
    asked = " and ".join(f"POST {base}{path}" for base in heard)
    got = " and ".join(dict.fromkeys(each.why for each in heard.values()))
    found = [Finding(mode, False, asked, got, await _advice(talk, said), True)]
    return None, found


async def _advice(talk: Talk, said: Said) -> str:
    """What to change, where nothing was answered."""
    cause = said.fault.cause if said.fault else ""
    if cause == "connection":
        return "start the server, or check host and port"
    if cause in ("400", "404", "405", "422", "501"):
        [other] = set(PATHS) - {talk.style.mode}
        if not (await talk.say(probes.COUNT, mode=other)).fault:
            return f"this model answers in the other mode: --set mode={other}"
        [listed] = await probes.model(talk, said)
        if listed.honoured is False:
            return f"no model of that name: {listed.got}"
    if cause in ("400", "422"):
        return (
            "a field that the server refuses can be left out: --set temperature=null, or "
            f"--set max_tokens=null --set 'body={{\"{INSTEAD}\": 1024}}'"
        )
    return ""


# -- before a run -----------------------------------------------------------------------------


def vet(
    spec: str, options: dict[str, Any], requests: Sequence[Request], *, attempts: int = 0
) -> dict[str, Any]:
    """Ask a server whether it honours what a run needs, before the run pays for anything.

    A run that draws several answers to a problem needs a temperature that works and choices that
    differ, one with a budget in tokens or money a `max_tokens` that cuts; one with `logprobs`,
    `stop` or `system` needs these. What cannot be told stops nothing.

    Args:
        spec, options: of the solver; only openai:MODEL@URL is asked, unless option `probe` is
            false.
        requests: of the run; for less than FEW attempts the probes would cost as much.
        attempts: of the run, where these requests are the first of more.

    Returns:
        What it took, as in a solver's report; it is in the account that the options name, if any.
        A budget that asking could use up is left to the run: nothing is asked then.

    Raises:
        SolverError: the server lacks something; says what, and what to set.
    """
    kind, _, argument = spec.partition(":")
    if kind != "openai" or max(attempts, sum(request.n for request in requests)) < FEW:
        return {}
    talk = _talk(argument, options)
    spending = Spending(talk.line.limits, Account(talk.line.account))
    affords = spending.affords(MOST, MOST_COST)
    needed = _needed(talk, requests) if talk.line.probe and affords else []
    try:
        found = asyncio.run(_ask(talk, needed)) if needed else []
    finally:
        spending.account.add(Paid(talk.requests, talk.read, talk.tokens))
    if lacking := [finding for finding in found if finding.harm]:
        said = "; ".join(f"{f.name}: {f.asked} gave {f.got}: {f.means}" for f in lacking)
        ranked = " --set logprobs=true" if talk.line.logprobs else ""  # a controller may want them
        raise SolverError(
            f"openai:{talk.model} at {talk.url} lacks what this run needs, nothing was attempted. "
            f"{said} (`gradatim doctor {spec}{ranked}` says more, --set probe=false goes on "
            "regardless)"
        )
    cost = spending.price(Cost(talk.read, talk.tokens))
    told = {"requests": talk.requests, "prompt_tokens": talk.read, "answer_tokens": talk.tokens}
    return told | {"cost": cost}


def _needed(talk: Talk, requests: Sequence[Request]) -> list[Probe]:
    style, line = talk.style, talk.line
    several = any(request.n > 1 or request.first > 0 for request in requests)
    at_once = line.choices > 1 and any(request.n > 1 for request in requests)
    cut = style.max_tokens is not None or INSTEAD in style.body
    counted = line.max_tokens_total is not None or line.max_cost is not None
    return [
        probe
        for probe, wanted in (
            (probes.draws, several and probes.samples(talk)),
            (probes.choices, at_once and probes.samples(talk)),
            (probes.log_probabilities, line.logprobs),
            (probes.stop, bool(style.stop)),
            (probes.system, bool(style.system)),
            (probes.length, cut and counted),
        )
        if wanted
    ]


async def _ask(talk: Talk, needed: list[Probe]) -> list[Finding]:
    async with opened(talk):
        first, _ = await _reach(talk)
        if first is None:  # the run says this better, once it has asked as often as it may
            return []
        return [finding for probe in needed for finding in await probe(talk, first)]
