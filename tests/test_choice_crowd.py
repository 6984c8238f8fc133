from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from gradatim.choice.crowd import calibrate_crowd, plan_lesson, ready
from gradatim.errors import ArgumentError
from gradatim.scale.curves import flat
from gradatim.types import Responses


def rasch(b, **more):
    return flat(difficulty=b, discrimination=np.ones(len(b)), **more)


def test_ready_is_the_papers_threshold():
    b = np.array([-2.0, -0.9, -0.8, 0.5, 3.0])
    # b <= theta + ln(1 / p - 1): p = 0.7 at theta 0 gives ln(3 / 7) = -0.847
    assert ready(rasch(b), 0.0, target=0.7).tolist() == [True, True, False, False, False]
    # p = 0.3 gives +0.847; p = 0.5 gives b <= theta, equality included
    assert ready(rasch(b), 0.0, target=0.3).tolist() == [True, True, True, True, False]
    assert ready(rasch(b), 0.5).tolist() == [True, True, True, True, False]


def test_floor_slope_and_unknown_items_count():
    # floor 1/4, target 0.7: s(theta - b) >= (0.7 - 0.25) / 0.75 = 0.6, b <= -ln(1.5) = -0.405
    bank = rasch([-0.41, -0.40, np.nan], floor=[0.25, 0.25, 0.25])
    assert ready(bank, 0.0, target=0.7).tolist() == [True, False, False]
    # a target at or under the floor holds for every known item, however hard
    assert ready(rasch([50.0, np.nan], floor=[0.25, 0.25]), 0.0, target=0.25).tolist() == [
        True,
        False,
    ]
    steep = flat(difficulty=[-0.4, -0.4], discrimination=[1.0, 3.0])
    # P = s(0.4) = 0.599, s(1.2) = 0.769
    assert ready(steep, 0.0, target=0.7).tolist() == [False, True]


def test_least_gives_the_easiest_of_what_is_known():
    bank = rasch([3.0, 1.0, np.nan, 2.0])
    assert ready(bank, -5.0, least=2).tolist() == [False, True, False, True]
    assert ready(bank, -5.0, least=4).tolist() == [True, True, False, True]
    assert not ready(bank, -5.0).any()


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=20),
    st.floats(-5, 5),
    st.floats(-5, 5),
    st.floats(0.05, 0.95),
)
def test_more_ability_is_never_less_ready(b, one, two, target):
    low, high = sorted((one, two))
    fewer, more = (ready(rasch(np.array(b)), t, target=target) for t in (low, high))
    assert not np.any(fewer & ~more)


@pytest.mark.parametrize("target", [0.0, 1.0, np.nan])
def test_ready_refuses_targets_without_meaning(target):
    with pytest.raises(ArgumentError, match="target"):
        ready(rasch([0.0]), 0.0, target=target)


def test_ready_refuses_an_ability_that_is_no_number():
    with pytest.raises(ArgumentError, match="theta"):
        ready(rasch([0.0]), np.nan)


@pytest.mark.parametrize("solved", [0.0, 1.0])
def test_all_right_or_all_wrong_is_finite(solved):
    bank = rasch(np.linspace(-2, 2, 9))
    lesson = plan_lesson(bank, np.arange(9), np.full(9, solved), np.ones(9, int))
    assert np.isfinite(lesson.theta)
    assert np.isfinite(lesson.se)
    assert (lesson.theta > 2) == bool(solved)


def test_no_answer_is_refused():
    with pytest.raises(ArgumentError, match="no attempt"):
        plan_lesson(rasch([0.0]), np.arange(1), np.zeros(1), np.zeros(1, int))


def test_a_crowd_measures_and_a_learner_follows_its_ability():
    rng = np.random.default_rng(3)
    theta, b = np.linspace(-2, 2, 60), rng.normal(size=80)
    chance = special.expit(theta[:, None] - b)
    solved = (rng.random(chance.shape) < chance).astype(float)
    person, item = (index.ravel() for index in np.indices(chance.shape))
    bank = calibrate_crowd(
        Responses(
            solver=person,
            item=item,
            solved=solved.ravel(),
            tried=np.ones(solved.size, int),
            solvers=tuple(f"c{i:02}" for i in range(60)),
            items=tuple(f"i{i:02}" for i in range(80)),
        )
    )
    assert np.ptp(bank.discrimination) < 1e-9
    assert np.corrcoef(bank.difficulty, b)[0, 1] > 0.95
    unit = theta.std()  # zero and unit of the bank are the crowd's own
    shares = []
    for ability in (-1.5, 0.0, 1.5):
        counts = rng.binomial(4, special.expit(ability - b))
        lesson = plan_lesson(bank, np.arange(80), counts, np.full(80, 4), target=0.5)
        assert abs(lesson.theta - ability / unit) < 4 * lesson.se
        truth = special.expit(ability - b) >= 0.5
        assert np.mean(lesson.ready == truth) > 0.85
        shares.append(lesson.ready.mean())
    assert shares == sorted(shares)
    assert shares[0] < 0.3 < 0.7 < shares[-1]


@pytest.mark.slow
def test_the_shipped_checkpoints_are_a_crowd(tmp_path, capsys):
    """Nine checkpoints measure problems of three families; the one held out follows them.

    What it is ready for by its ability on half of the problems, it solves in the other half more
    often than what it is not ready for.
    """
    pytest.importorskip("torch")
    from gradatim.engine.attempt import attempt
    from gradatim.families.generation import generate
    from gradatim.solvers import tiny
    from gradatim.solvers.registry import open_solver
    from gradatim.store.run import Run

    problems = []
    for family in ("lists", "arithmetic", "sat"):
        problems += generate(family, n=40, level=range(1, 5), seed=5, unique=True)
    run = Run(tmp_path / "crowd", seed=5)
    names = [name for name in tiny.shipped() if name.startswith("crowd-")]
    for name in (*names, "held-out"):
        solver = replace(open_solver(f"tiny:{name}", limit=24), name=name)
        attempt(problems, solver=solver, run=run, samples=4)
    with run.ledger() as ledger:
        crowd = ledger.responses(solver=names, label=lambda who: who.solver)
        mine = ledger.responses(solver="held-out")
    bank = calibrate_crowd(crowd)
    place = {name: i for i, name in enumerate(bank.items)}
    row = np.array([place[mine.items[i]] for i in mine.item])
    first = np.arange(len(row)) % 2 == 0
    lesson = plan_lesson(bank, row[first], mine.solved[first], mine.tried[first], target=0.5)
    rate, ready_for = (mine.solved / mine.tried)[~first], lesson.ready[row[~first]]
    with capsys.disabled():
        print(
            f"\ncrowd of {len(names)}: held-out at {lesson.theta:.2f} +- {lesson.se:.2f}; solves "
            f"{rate[ready_for].mean():.2f} of {ready_for.sum()} it is ready for, "
            f"{rate[~ready_for].mean():.2f} of {(~ready_for).sum()} others"
        )
    assert rate[ready_for].mean() > 0.5 > rate[~ready_for].mean()
