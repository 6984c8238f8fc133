"""Problems of one template: the same words and other numbers; and how near a near duplicate is."""

import json
import re

import numpy as np

from gradatim.audits.scores import audit_file
from gradatim.evaluation.near_duplicates import near_duplicates


def test_same_words_and_other_numbers_are_one_template_however_many_numbers_there_are():
    text = "A pen costs 3 dollars and a book 12. Ann buys 4 pens and 2 books, and pays with 50."
    other = re.sub(r"\d+", lambda found: str(int(found[0]) + 7), text)
    found = near_duplicates([text, "How many ways lead from A to B in 9 steps?", other])
    assert (found.first.tolist(), found.second.tolist()) == ([0], [2])
    assert found.alike.tolist() == [1.0]  # shingles with their numbers: 0.24
    assert found.numbers.tolist() == [False]
    same = near_duplicates([text, text.upper()])
    assert same.numbers.all()
    assert len(near_duplicates(["", "", "7", "8 9"]).first) == 0


def test_templates_hide_no_duplicate_of_their_own():
    rng = np.random.default_rng(0)
    texts = [
        f"Add {a} and {b} to {c}, and say the sum." for a, b, c in rng.integers(1, 10**6, (200, 3))
    ]
    found = near_duplicates([*texts, texts[17].replace(" say the", " give the")])
    again = found.first[found.numbers].tolist(), found.second[found.numbers].tolist()
    assert again == ([], [])  # 5 of 15 runs of words are others: below .8
    found = near_duplicates([*texts, "Please: " + texts[17]])
    again = found.first[found.numbers].tolist(), found.second[found.numbers].tolist()
    assert again == ([17], [200])


def test_real_problems_with_other_numbers_are_found_and_told_as_a_note(data_dir, tmp_path):
    rows = [json.loads(line) for line in (data_dir / "gsm8k_test.jsonl").read_text().splitlines()]
    rows = rows[:300]
    new = [
        re.sub(r"\d+", lambda found: str(int(found[0]) + 7), row["question"]) for row in rows[60:80]
    ]
    texts = [row["question"] for row in rows]
    found = near_duplicates([*texts, *new])
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == {(60 + at, 300 + at) for at in range(20)}  # 3 of 20 before numbers were masked
    assert not found.numbers.any()
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in (*texts, *new)))
    [row] = audit_file(path, only=["texts"])["sections"]
    assert row["passed"]
    assert row["notes"][0].startswith("20 pairs of problems have nearly the same words and other")
