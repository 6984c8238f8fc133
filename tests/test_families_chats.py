"""A package's family whose questions are chats: through every gate, to the file and back."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import gradatim
from gradatim.checkers import numbers
from gradatim.families.generation import content_id, generate
from gradatim.families.read import load, save
from gradatim.families.templates import five
from gradatim.families.verify import check
from gradatim.rng import digest
from gradatim.types import Draft, Family, Knob, Problem

TOLD = {"role": "system", "content": "Keep a running total. Answer with the total alone."}


def make(stream, *, turns, high):
    """A number a turn, and what was answered so far; the last turn is open."""
    given = [stream.between(0, high) for _ in range(turns)]
    chat = [TOLD]
    for i, number in enumerate(given):
        chat.append({"role": "user", "content": f"Turn {i + 1}: add {number} please."})
        chat.append({"role": "assistant", "content": str(sum(given[: i + 1]))})
    return Draft(tuple(chat[:-1]), str(sum(given)), canonical=" ".join(map(str, given)))


def solve(problem):
    """Last total shown plus the number of the open turn."""
    *_, last = problem.prompt
    before = [m["content"] for m in problem.prompt if m["role"] == "assistant"]
    return str(int(last["content"].split()[3]) + int(before[-1] if before else 0))


CHAT = Family(
    name="shop.chat",
    doc="running totals, a number a turn",
    version="1",
    knobs={
        "turns": Knob("numbers to add", 3, 1, 20),
        "high": Knob("largest number", 99, 1, 10**6),
    },
    make=make,
    check=numbers.check,
    ladder=lambda level: {"turns": level + 1, "high": 10 ** (2 + level // 3)},
    floor=lambda knobs: 0.0,
    space=lambda knobs: (knobs["high"] + 1) ** knobs["turns"],
    solve=solve,
    effort=lambda problem: sum(m["role"] == "user" for m in problem.prompt),
    effort_unit="additions",
)


def made_by(draft):
    """The family whose items are drafts of another kind."""
    return replace(CHAT, make=lambda stream, **knobs: draft(make(stream, **knobs)))


def test_ids_of_chats_are_hashes_of_their_content(tmp_path):
    problems = generate(CHAT, n=40, level=range(1, 11), seed=2)
    for p in problems:
        assert isinstance(p.prompt, tuple)
        assert p.id == content_id(
            family=p.family,
            version=p.version,
            verifier=p.verifier,
            prompt=p.prompt,
            answer=p.answer,
        )
    assert len({p.id for p in problems}) == 40
    # the same words in another role are another question
    other = made_by(lambda d: d._replace(prompt=({**d.prompt[0], "role": "user"}, *d.prompt[1:])))
    assert generate(other, n=1, level=1, seed=2)[0].id != problems[0].id
    save(tmp_path / "chats.jsonl", problems)
    assert load(tmp_path / "chats.jsonl") == problems


def test_a_message_of_the_chat_given_back_is_no_answer():
    shown = {"role": "assistant", "content": "The total is 72."}
    ask = {"role": "user", "content": "Is the total really this?\nThe total is 72"}
    p = Problem(id="1", prompt=(TOLD, shown, ask), answer="72", verifier="number")
    assert check(p, ask["content"]).reason == check(p, f"{ask['content']}\n").reason == "unparsed"
    assert check(p, shown["content"]).solved  # an earlier answer may be right again


def test_a_chat_passes_every_gate():
    found = gradatim.audit(CHAT, n=100)
    said = [finding for row in found["gates"] for finding in row["findings"]]
    assert found["passed"], said
    assert {row["gate"] for row in found["gates"]} >= {"own answers", "question", "splits", "seeds"}
    assert all(row["tried"] for row in found["gates"] if row["gate"] != "common answer")


@pytest.mark.parametrize(
    "broken",
    [
        lambda d: d._replace(prompt=list(d.prompt)),
        lambda d: d._replace(prompt=tuple(m["content"] for m in d.prompt)),
        lambda d: d._replace(prompt=tuple({"content": m["content"]} for m in d.prompt)),
        lambda d: d._replace(prompt=()),
    ],
    ids=["a list", "texts", "no role", "empty"],
)
def test_what_is_no_chat_is_refused_by_name_of_the_gate(broken):
    *_, last = five(made_by(broken))
    assert (last.gate, bool(last.failed)) == ("executable", True)
    assert re.search("`prompt` must be|question (and answer )?must be", last.findings[0].why)


def test_a_chat_family_of_a_package_passes_at_the_command(tmp_path):
    (tmp_path / "shop.py").write_text(Path(__file__).read_text())
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gradatim.families]\nshop.chat = shop:CHAT\n")
    program = "import sys; from gradatim.cli import app; sys.exit(app.run(sys.argv[1:]))"
    out = subprocess.run(
        [sys.executable, "-c", program, "audit", "family:shop.chat", "-n", "60", "--json"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(out.stdout)
    assert (out.returncode, found["passed"]) == (0, True), found["gates"]
    assert [row["tried"] for row in found["gates"] if row["gate"] == "processes"] == [2]


def plainly(chat):
    """The id of a chat by its definition: canonical JSON, whatever stands in it."""
    written = json.dumps(
        [dict(m) for m in chat], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return digest("problem", "f", "1", "v", written, "72", size=10).hex()


def hashed(chat):
    return content_id(family="f", version="1", verifier="v", prompt=tuple(chat), answer="72")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}), min_size=1))
@example([
    {"role": "user", "content": '"\\/\b\f\n\r\t\x00\x1f\x7f\x80\u2028\u2029\ufeff\U0001f600'}
])
@example([{"content": "", "role": ""}, TOLD])
def test_ids_of_any_texts_are_of_their_canonical_json(chat):
    assert hashed(chat) == plainly(chat)


@pytest.mark.parametrize(
    "chat",
    [
        [{**TOLD, "name": "till"}],
        [TOLD, {"role": "user", "name": "till"}],
        [{"role": "user", "content": [{"type": "text", "text": "é"}]}],
        [{"role": "user", "content": None}],
        [[("role", "user"), ("content", "1")]],
    ],
    ids=["more keys", "other keys", "parts", "nothing", "pairs"],
)
def test_ids_of_messages_of_other_shapes_are_of_their_canonical_json(chat):
    assert hashed(chat) == plainly(chat) != hashed([TOLD])
