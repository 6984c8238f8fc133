"""`audit FILE --cost-wrong`: how many attempts, and which checker, beside what simulation says."""

import json

import numpy as np
import pytest

from gradatim.audits.scores import audit_file
from gradatim.cli import app
from gradatim.evaluation.better_checker import Checker, Stakes, advise, cascade, price_limit
from gradatim.evaluation.pools import pool_of
from gradatim.evaluation.resampling import Prices, best_attempts, fixed, resampling
from gradatim.evaluation.verifier_error import audited_rates, stated_rates

F, MOST = 0.2, 12
PERSON = (0.01, 0.25)  # false positives, and what a verdict costs


def worlds(rng, f, prices, *, price=0.0, problems=40_000):
    """(MOST + 1,) mean worth of allowing 0 .. MOST attempts, counted on simulated attempts."""
    p = rng.beta(0.6, 0.9, problems)
    right = rng.random((problems, MOST)) < p[:, None]
    passes = right | (rng.random(right.shape) < f)
    first = np.where(passes.any(axis=1), passes.argmax(axis=1), MOST)
    good = np.append(right, np.zeros((problems, 1), bool), axis=1)[np.arange(problems), first]
    found = [0.0]
    for k in range(1, MOST + 1):
        given = first < k
        paid = np.minimum(first + 1, k) * (prices.attempt + price)
        found.append(float(np.mean(given * np.where(good, 1.0, -prices.wrong) - paid)))
    return np.array(found)


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """A file of 600 problems, 8 verdicts each of a verifier that passes a fifth of wrong ones."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.6, 0.9, 600)
    right = rng.random((600, 8)) < p[:, None]
    solved = (right | (rng.random(right.shape) < F)).sum(axis=1)
    path = tmp_path_factory.mktemp("stopping") / "m.npz"
    np.savez(path, solved=solved[None], tried=np.full((1, 600), 8))
    return path


@pytest.mark.parametrize("wrong", [0.3, 1.0, 4.0])
def test_s202_advice_of_an_audit_is_the_best_in_simulation(counts, wrong):
    prices = Prices(wrong=wrong, attempt=0.02)
    stakes = Stakes(prices, {"person": Checker(stated_rates(PERSON[0]), PERSON[1])})
    found = audit_file(counts, only=["verdicts"], false_positive=F, stakes=stakes)
    (row,) = found["sections"][0]["decisions"]
    rng = np.random.default_rng(1)
    present = worlds(rng, F, prices)
    person = worlds(rng, PERSON[0], prices, price=PERSON[1])
    # the number of attempts: as good as the best, and its worth is held by its interval
    many = int(min(row["attempts"].value, MOST))
    assert present[many] == pytest.approx(present.max(), abs=0.01)
    assert row["utility"].low - 0.01 < present[many] < row["utility"].high + 0.01
    by_name = {one["checker"]: one["utility"] for one in row["checkers"]}
    assert by_name["the present one"] == pytest.approx(present.max(), abs=0.05)
    assert by_name["person"] == pytest.approx(person.max(), abs=0.05)
    # and the choice: where one of these two is chosen, it is the better one
    best = max(by_name, key=by_name.__getitem__)
    assert row["choice"] == best
    if row["sure"]:
        assert row["gain"].low > 0


@pytest.mark.slow
def test_s202_intervals_of_decisions_hold_over_problems_and_audits():
    """60 files of 300 problems, rates from 300 audited attempts, held against the whole world."""
    f, b, prices = 0.15, 0.05, Prices(wrong=2.0, attempt=0.01)
    world = np.random.default_rng(99).beta(0.6, 0.9, 20_000)
    real, person = Checker(stated_rates(f, b)), Checker(stated_rates(0.01), 0.2)
    share = float((world * (1 - b) + (1 - world) * f).mean())

    def worth(one, k):
        cost = prices._replace(attempt=prices.attempt + one.price)
        return fixed(world, [rate.value for rate in one.rates], cost, k)

    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = rng.beta(0.6, 0.9, 300)
        right = rng.random(300) < p[rng.integers(300, size=300)]
        passed = np.where(right, rng.random(300) >= b, rng.random(300) < f)
        rates = audited_rates(passed, right)
        counts = rng.binomial(4, p * (1 - b) + (1 - p) * f)
        pool, checker = pool_of(counts, np.full(300, 4), rates), Checker(rates)
        stop = best_attempts(pool, rates, prices)
        both = cascade(checker, person, float(counts.mean() / 4))
        advice = advise(pool, [checker, person, both], prices)
        true = [
            worth(one, k)
            for one, k in zip(
                [real, person, cascade(real, person, share)], advice.attempts, strict=True
            )
        ]
        true.append(0.0)
        gain = true[advice.choice] - true[advice.over]
        held.append((
            stop.utility.low <= worth(real, stop.attempts.value) <= stop.utility.high,
            advice.gain.low <= gain <= advice.gain.high,
            not advice.sure or gain > 0,
        ))
    utility, gain, sure = np.mean(held, axis=0)
    print(f"utility held {utility:.2f}, gain {gain:.2f}, sure and right {sure:.2f}")
    assert utility >= 0.88
    assert gain >= 0.8
    assert sure >= 0.97


def test_a_price_at_which_both_are_worth_the_same(counts):
    p, prices = np.array([0.1, 0.5, 0.9]), Prices(wrong=1.0, attempt=0.01)
    found = price_limit(p, stated_rates(0.2), prices)
    grid = np.arange(1, 400)

    def worth(f, price):
        every = [resampling(p, int(k), false_positive=f) for k in grid]
        return max(r.right - r.wrong - (0.01 + price) * r.attempts for r in every)

    assert worth(0.0, found.value) == pytest.approx(worth(0.2, 0.0), abs=1e-3)
    assert price_limit(p, stated_rates(0.0), prices).value < 1e-4  # nothing to gain
    assert price_limit(p, stated_rates(0.2), prices, behind=50).low < found.value


def test_the_command_says_it_in_words(counts, capsys):
    words = ["audit", str(counts), "--only", "verdicts", "-q", "--false-positive", "0.1:0.2:0.3"]
    words += ["--cost-wrong", "1", "--cost-attempt", "0.02"]
    app.run([*words, "--checker", "person=.01,0,.25"])
    said = capsys.readouterr().out
    assert "at most" in said
    assert "more attempts or a better checker?" in said
    assert "pass@8" in said
    app.run([*words, "--json"])
    row = json.loads(capsys.readouterr().out)["sections"][0]["decisions"][0]
    assert {one["checker"] for one in row["checkers"]} == {"the present one", "one without errors"}
    assert row["attempts"]["low"] <= row["attempts"]["value"] <= row["attempts"]["high"]
    assert row["price_limit"]["value"] > 0


def test_where_wrong_answers_cost_too_much_nothing_is_tried(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, solved=np.array([[0, 1, 2, 3] * 10]), tried=np.full((1, 40), 4))
    stakes = Stakes(Prices(wrong=1000.0))
    found = audit_file(path, only=["verdicts"], false_positive=0.2, stakes=stakes)["sections"][0]
    assert found["decisions"][0]["attempts"].value == 0
    assert any("no attempt pays with the present checker" in note for note in found["notes"])


def test_one_attempt_a_problem_is_not_decided_on(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, solved=np.tile([1, 1, 0, 0], (2, 30)), tried=np.ones((2, 120), int))
    stakes = Stakes(Prices(wrong=1.0))
    found = audit_file(path, only=["verdicts"], false_positive=0.1, stakes=stakes)["sections"][0]
    assert found["decisions"] == []
    assert any("make two or more" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--checker", "person=.01"], "`--checker` must be NAME=FALSE_POSITIVE"),
        (["--checker", "person=a,b,.3"], "`--checker` must be VALUE, or LOW:VALUE:HIGH"),
        (["--cost-wrong", "-1"], "`wrong` must lie in"),
    ],
)
def test_mistakes_are_one_line(counts, capsys, more, said):
    assert app.run(["audit", str(counts), "--only", "verdicts", "-q", *more]) == 2
    assert said.replace("VALUE, or", "VALUE or") in capsys.readouterr().err
