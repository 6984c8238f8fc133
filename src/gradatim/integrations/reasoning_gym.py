"""The families of reasoning-gym as ours: `reasoning_gym.chain_sum` and its siblings.

Each item is a data set of one whose seed is a hash of family, knobs, split, seed and place, so
neighbouring seeds share nothing but by chance, and train and test are told apart by content.
Replies are searched for their answer as everywhere, graded by the package's own grader, and count
as solved at full score only. Families whose grader or generator fails our gate are refused by
name: `REFUSED` says why, for the version it was measured with; `survey` measures it again.

The levels are those of the package's curricula, as far as their settings are valid; nothing here
has measured that they rise. Its 106th name, `composite`, is a mixture: `mix` does that.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
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
SLOW = 5.0  # seconds for an item; ten times what the slowest takes
ITEMS = 20  # that the gate looks at
MORE = {"codeio": 100, "list_functions": 100}  # a fault of these shows in few items only
FEW = 40  # items from which the share of the most common answer is taken
COMMON = 0.2  # a grader that passes this share of other items' answers accepts anything

_NONE = "gives no answer as text, but None"
_CODE = "its grader evaluates the reply as code"
_HASH = "items differ between processes"
_SEED = "the same seed gives other items"
_OWN = "its grader refuses its own answer at a level of its curriculum"
REFUSED = {
    "binary_matrix": _CODE,
    "boxnet": _NONE,
    "codeio": _SEED,
    "complex_arithmetic": "its grader passes 'nan' on every item",
    "countdown": _CODE,
    "game_of_life": "its grader raises on replies that are JSON of another shape",
    "game_of_life_halting": "its grader passes every text",
    "graph_color": _NONE,
    "intermediate_integration": _CODE,
    "isomorphic_strings": _HASH,
    "jugs": _OWN,
    "knight_swap": _HASH,
    "list_functions": _SEED,
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
    return {name: "; ".join(why) for name, why in survey().items()}


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
            except Exception:  # a level that its own checks refuse, by whatever error
                continue
            return {k: v for k, v in settings.items() if k not in ("size", "seed")}
    return {}


@lru_cache(maxsize=1024)
def _item(name: str, level: int, seed: int) -> tuple[Any, dict[str, Any]]:
    with contextlib.redirect_stdout(io.StringIO()):  # some print while they generate
        data = _package("factory").create_dataset(name, size=1, seed=seed, **_settings(name, level))
        # some print while they grade; a module's own name reaches no other thread's output
        vars(sys.modules[type(data).__module__])["print"] = lambda *args, **options: None
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


def examine(name: str, n: int = 0) -> list[str]:
    """What our gate says against a family of the package; empty where it passes."""
    one_of("family", name, names(), brief="those of reasoning-gym")
    return survey([name], n).get(name, [])


def survey(wanted: Iterable[str] = (), n: int = 0) -> dict[str, list[str]]:
    """What our gate says against families of the package: name -> reasons, of those that fail.

    Args:
        wanted: names; all of them where none is given (some minutes).
        n: items of each to look at; 0 for as many as showed every fault when it was measured.
    """
    counts = {name: n or MORE.get(name, ITEMS) for name in wanted or names()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # graders warn of the nonsense they are given
        found = {name: _faults(name, count) for name, count in counts.items()}
    passed = {name: count for name, count in counts.items() if not found[name]}
    for name, same in _repeated(passed).items():
        if not same:
            found[name].append(_HASH)
    return {name: why for name, why in found.items() if why}


def _faults(name: str, n: int) -> list[str]:
    """What can be seen in this process.

    Code that would run on replies is looked for first, in the grader's own lines: such a grader
    is not run at all. It says nothing of what a grader calls elsewhere.
    """
    package = _package("factory").DATASETS[name][0]
    if _RUNS_CODE.search(getsource(package.score_answer)):
        return [_CODE]
    record = unchecked(name)
    start = process_time()
    try:
        problems = generate(record, n=n)
    except ArgumentError as error:
        return [str(error).removeprefix(f"{PREFIX}{name} ")]
    if process_time() - start > n * SLOW:
        return [f"takes more than {SLOW:g} seconds for an item"]
    _item.cache_clear()
    if [p.prompt for p in generate(record, n=n)] != [p.prompt for p in problems]:
        return [_SEED]
    looks = (
        gate.forms(record, problems, dresses=("plain", "spaces", "tagged", "after reasoning")),
        gate.nonsense(record, problems),
        gate.question(record, problems),
    )
    why = [f"gate '{o.gate}': {o.findings[0].why}" for o in looks if o.failed]
    leveled = generate(record, n=1, level=2, seed=9)
    if not why and gate.forms(record, leveled, dresses=("plain",)).failed:
        why.append(_OWN)
    passed = gate.neighbours(record, problems, most=5 * n)
    if passed.failed > COMMON * passed.tried:
        why.append(f"its grader passes {passed.failed} of {passed.tried} answers of other items")
    return why


def _repeated(counts: Mapping[str, int]) -> dict[str, bool]:
    """Whether two fresh processes with different hash seeds make the same items."""
    code = (
        "import json, sys\nfrom gradatim.families.generation import generate\n"
        "from gradatim.integrations.reasoning_gym import unchecked\n"
        "for name, n in json.loads(sys.argv[1]).items():\n"
        "    print('made', name, *(p.id for p in generate(unchecked(name), n=n)))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(counts)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("0", "1")
    ]
    made: list[dict[str, str]] = []
    for process in running:
        said = process.communicate()[0].splitlines()
        rows = (line.split(" ", 2)[1:] for line in said if line.startswith("made "))
        made.append(dict(rows))
    return {name: name in made[0] and made[0][name] == made[1].get(name) for name in counts}
