"""The families of reasoning-gym as ours: `reasoning_gym.chain_sum` and its siblings.

Each item is a data set of one whose seed is a hash of family, knobs, split, seed and place, so
neighbouring seeds share nothing but by chance, and train and test are told apart by content.
Replies are searched for their answer as everywhere, graded by the package's own grader, and count
as solved at full score only. Families whose grader or generator fails our gate are refused by
name: `REFUSED` says why, for the version it was measured with; `examine` measures it again.

The levels are those of the package's curricula, as far as their settings are valid; nothing here
has measured that they rise. Its 106th name, `composite`, is a mixture: `mix` does that.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache, lru_cache
from importlib.metadata import version as installed
from inspect import getsource
from time import process_time
from typing import Any

from gradatim.checkers.extract import UNPARSED, announced, extract, plain, without_reasoning
from gradatim.checks import one_of
from gradatim.errors import ArgumentError, extra
from gradatim.families import gate
from gradatim.families.generation import generate
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

PREFIX = "reasoning_gym."
MEASURED = "0.1.25"  # the version that REFUSED is about
LONGEST = 20_000  # characters of an answer that a grader sees
SEEDS = 2**31 - 1
SLOW = 1.0  # seconds for an item
FEW = 40  # items from which the share of the most common answer is taken
COMMON = 0.2  # a grader that passes this share of other items' answers accepts anything

_NONE = "gives no answer as text, but None"
_CODE = "its grader evaluates the reply as code"
_HASH = "items differ between processes (PYTHONHASHSEED)"
REFUSED = {
    "arc_agi": "takes more than a second for an item",
    "binary_matrix": _CODE,
    "boxnet": _NONE,
    "codeio": _HASH,
    "complex_arithmetic": "its grader passes 'nan' on every item",
    "countdown": _CODE,
    "game_of_life": "its grader raises on replies that are JSON of another shape",
    "game_of_life_halting": "its grader passes every text",
    "graph_color": _NONE,
    "intermediate_integration": _CODE,
    "isomorphic_strings": _HASH,
    "knight_swap": _HASH,
    "list_functions": "the same seed gives other items",
    "n_queens": _CODE,
    "polynomial_multiplication": _CODE,
    "prime_factorization": "its grader raises on words",
    "propositional_logic": _NONE,
    "puzzle24": _CODE,
    "ransom_note": _HASH,
    "rubiks_cube": _NONE,
    "rush_hour": _NONE,
    "simple_integration": _CODE,
    "spiral_matrix": _CODE,
    "string_insertion": _CODE,
    "word_ladder": _HASH,
}

KNOBS = {"curriculum": Knob("level of its own curriculum; 0 = its default settings", 0, 0, 10)}
_RUNS_CODE = re.compile(r"(?<![\w.])eval\((?!entry\b)|parse_expr\(|sympify\(|exec\(")


def _package(part: str) -> Any:
    return extra(f"reasoning_gym.{part}", "gym")


def names() -> list[str]:
    """Names of all families of the package, refused ones too, sorted.

    Raises:
        MissingExtra: the package is not installed.
    """
    return sorted(set(_package("factory").DATASETS) - {"composite"})


def accepted() -> list[str]:
    """The names that `family` does not refuse."""
    return [name for name in names() if name not in refused()]


@cache
def refused() -> dict[str, str]:
    """Name -> why it is refused, for the installed version; measured now where it is another."""
    if installed("reasoning-gym") == MEASURED:
        return REFUSED
    return {name: "; ".join(why) for name in names() if (why := examine(name))}


@lru_cache(maxsize=512)
def _settings(name: str, level: int) -> dict[str, Any]:
    """Settings of the curriculum at a level, or at the nearest lower one that is valid."""
    factory = _package("factory")
    if level and name in factory.CURRICULA:
        for lower in range(level - 1, -1, -1):
            try:
                curriculum = factory.create_curriculum(name)
                curriculum.set_global_level(lower)
                settings = vars(curriculum.generate_configuration({"size": 1, "seed": 0}))
                factory.DATASETS[name][1](**settings).validate()
            except Exception:
                continue
            return {k: v for k, v in settings.items() if k not in ("size", "seed")}
    return {}


@lru_cache(maxsize=1024)
def _item(name: str, level: int, seed: int) -> tuple[Any, dict[str, Any]]:
    with contextlib.redirect_stdout(io.StringIO()):  # some print while they generate
        data = _package("factory").create_dataset(name, size=1, seed=seed, **_settings(name, level))
        return data, data[0]


def _stated(text: str) -> list[str]:
    """What may be the answer: what is boxed or tagged, else all that is said, else its last line.

    Answers may take several lines here, so that a final line alone would lose them.
    """
    found = extract(text)
    if found.answer is None:
        return []
    if found.how != "line":
        return [found.answer]
    said = (without_reasoning(text) or "").strip()
    told = announced(found.answer)
    return [said, plain(said), *([told] if told else []), plain(found.answer)]


def _check(name: str, problem: Problem, text: str | None) -> Verdict:
    stated = [s for s in _stated(text) if len(s) <= LONGEST] if isinstance(text, str) else []
    if not any(stated) or str(text).strip() == str(problem.prompt).strip():
        return UNPARSED
    data, entry = _item(name, problem.knobs.get("curriculum", 0), problem.meta["seed"])
    if entry["question"] != problem.prompt:
        return Verdict(0.0, False, None, "verifier_error")  # another version made it
    for answer in dict.fromkeys(stated):
        if data.score_answer(answer, entry=entry) >= 1:
            return Verdict(1.0, True, answer, "correct")
    return Verdict(0.0, False, stated[-1], "wrong")


def unchecked(name: str) -> Family:
    """A family of the package as it is, without the gate.

    Raises:
        ArgumentError: there is none of that name.
        MissingExtra: the package is not installed.
    """
    one_of("family", name, names(), brief="those of reasoning-gym")

    def make(stream: Stream, *, curriculum: int) -> Draft:
        seed = stream.below(SEEDS)
        _, entry = _item(name, curriculum, seed)
        question, answer = entry["question"], entry["answer"]
        if not isinstance(answer, str):
            raise ArgumentError(f"{PREFIX}{name} gives no answer as text, but {answer!r:.40}")
        return Draft(question, answer, canonical=question, meta={"seed": seed})

    @cache
    def common(curriculum: int) -> float:
        answers = [_item(name, curriculum, seed)[1]["answer"] for seed in range(1, FEW + 1)]
        times = Counter(answers).most_common(1)[0][1]
        return times / FEW if times > 1 else 0.0

    return Family(
        name=f"{PREFIX}{name}",
        doc=f"{name.replace('_', ' ')}, from reasoning-gym",
        version=installed("reasoning-gym"),
        knobs=KNOBS,
        make=make,
        check=lambda problem, text: _check(name, problem, text),
        ladder=lambda level: {"curriculum": level},
        floor=lambda knobs: common(complete(KNOBS, knobs)["curriculum"]),  # measured
        space=lambda knobs: SEEDS,  # the package states none
    )


@cache
def family(name: str) -> Family:
    """A family of reasoning-gym that passes the gate.

    Args:
        name: with or without the prefix "reasoning_gym.".

    Raises:
        ArgumentError: there is none, or it is refused (says why).
        MissingExtra: the package is not installed.
    """
    name = name.removeprefix(PREFIX)
    record = unchecked(name)
    if name in refused():
        raise ArgumentError(f"family '{PREFIX}{name}' is refused: {refused()[name]}")
    return record


# -- the gate -----------------------------------------------------------------------------------


def examine(name: str, n: int = 20) -> list[str]:
    """What our gate says against a family of the package; empty where it passes.

    Code that would run on replies is looked for first, in the grader's own lines: such a grader
    is not run at all. It says nothing of what a grader calls elsewhere.
    """
    package = _package("factory").DATASETS[name][0]
    if _RUNS_CODE.search(getsource(package.score_answer)):
        return ["its grader evaluates the reply as code"]
    record = unchecked(name)
    start = process_time()
    try:
        problems = generate(record, n=n)
    except ArgumentError as error:
        return [str(error).removeprefix(f"{PREFIX}{name} ")]
    if process_time() - start > n * SLOW:
        return ["takes more than a second for an item"]
    looks = (
        gate.forms(record, problems, dresses=("plain", "spaces", "tagged", "after reasoning")),
        gate.nonsense(record, problems),
        gate.question(record, problems),
    )
    why = [f"gate '{o.gate}': {o.findings[0].why}" for o in looks if o.failed]
    passed = gate.neighbours(record, problems, most=5 * n)
    if passed.failed > COMMON * passed.tried:
        why.append(f"its grader passes {passed.failed} of {passed.tried} answers of other items")
    _item.cache_clear()
    again = generate(record, n=n)
    if [p.prompt for p in again] != [p.prompt for p in problems]:
        why.append("the same seed gives other items")
    elif _hash(name, n, "0") != _hash(name, n, "1"):
        why.append("items differ between processes (PYTHONHASHSEED)")
    return why


def _hash(name: str, n: int, hash_seed: str) -> str:
    code = (
        "import sys\nfrom gradatim.families.generation import generate\n"
        "from gradatim.integrations.reasoning_gym import unchecked\n"
        "print('hash', *(p.id for p in generate(unchecked(sys.argv[1]), n=int(sys.argv[2]))))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, name, str(n)],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return out.stdout.split("hash ")[-1]
