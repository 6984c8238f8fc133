"""What is left out of a test that can be answered without the question: no more than is known."""

import numpy as np
import pytest

from gradatim.audits.prompts import find_blind
from gradatim.audits.subject import Attempts, Subject
from gradatim.evaluation.blind import blind_items
from gradatim.types import Matrix


def known_and_right(seed, *, models=4, attempts=3, share=0.2, items=100):
    rng = np.random.default_rng(seed)
    known = rng.random(items) < share
    return known, rng.binomial(attempts, np.where(known, 0.9, 0.25), (models, items))


@pytest.mark.parametrize(("models", "attempts", "items"), [(4, 3, 100), (6, 1, 200)])
def test_no_seed_advises_to_leave_out_most_of_a_test_for_some_known_items(models, attempts, items):
    caught, over = [], []
    for seed in range(30):
        known, right = known_and_right(seed, models=models, attempts=attempts, items=items)
        found = blind_items(right, 0.25, tried=np.full(right.shape, attempts))
        over.append((~found.clean).sum() / known.sum())
        caught.append((~found.clean & known).sum() / known.sum())
    assert max(over) < 1.7  # by the largest set at chance: 80 of 100 items, 121 of 200
    assert np.mean(over) == pytest.approx(1, abs=0.06)
    assert np.mean(caught) > 0.88


def test_items_that_all_give_a_little_away_are_not_left_out_one_by_one():
    right = np.random.default_rng(0).binomial(3, 0.4, (5, 150))
    found = blind_items(right, 0.25, tried=np.full(right.shape, 3))
    assert found.p_value < 1e-6
    assert found.clean.mean() > 0.5
    assert found.rest.low > 0.25  # and it is said that the rest is above chance
    assert blind_items(np.ones((2, 30)), 0.25).clean.sum() == 0
    assert np.isnan(blind_items(np.ones((2, 30)), 0.25).rest.value)


def test_the_remedy_says_how_far_it_helps():
    _, right = known_and_right(1)
    solver, item = (x.repeat(3) for x in (np.indices(right.shape).reshape(2, -1)))
    score = (np.arange(3) < right.reshape(-1, 1)).ravel().astype(float)
    columns = {"blind": np.ones(len(score)), "n_options": np.full(len(score), 4.0)}
    names = [
        tuple(f"{kind}{i}" for i in range(n)) for kind, n in zip("mi", right.shape, strict=True)
    ]
    matrix = Matrix(
        solved=right, tried=np.full(right.shape, 3), solvers=names[0], items=names[1]
    )  # fmt: skip
    attempts = Attempts(solver, item, score, columns, ordered=False)
    found = find_blind(Subject(name="a", matrix=matrix, attempts=attempts))
    [one] = found["findings"]
    gone = len(found["left_out"])
    assert len(one["names"]) <= gone <= 1.2 * len(one["names"])
    assert f"leave out the {gone} items" in one["remedy"]
    assert f"of the other {100 - gone} {found['rest'].value:.3f} [" in one["remedy"]
