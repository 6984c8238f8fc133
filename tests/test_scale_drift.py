from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from gradatim.errors import ArgumentError
from gradatim.scale.curves import flat
from gradatim.scale.drift import find_drift
from gradatim.scale.irt import fit
from gradatim.types import Responses


def known(b, a=None, *, scale="old", se=0.05):
    a = np.ones(len(b)) if a is None else np.asarray(a, float)
    each = np.full(len(b), se)
    bank = flat(difficulty=b, discrimination=a)
    return replace(bank, scale=scale, se_difficulty=each, se_discrimination=a * se)


def covariance(a, b, n):
    """(item, 2, 2) of (log a, b) from n persons of N(0, 1): inverse expected information."""
    x = np.linspace(-5, 5, 101)
    w = np.exp(-(x**2) / 2) / np.exp(-(x**2) / 2).sum()
    eta = a[:, None] * (x - b[:, None])
    slopes = np.stack([eta, np.broadcast_to(-a[:, None], eta.shape)])
    weight = special.expit(eta) * special.expit(-eta) * w
    return np.linalg.inv(n * np.einsum("riq,siq,iq->irs", slopes, slopes, weight))


def estimated(rng, a, b, *, n, scale):
    cov = covariance(a, b, n)
    noise = np.einsum("irs,is->ir", np.linalg.cholesky(cov), rng.standard_normal((len(b), 2)))
    found = a * np.exp(noise[:, 0])
    return replace(
        known(b + noise[:, 1], found, scale=scale),
        se_difficulty=np.sqrt(cov[:, 1, 1]),
        se_discrimination=found * np.sqrt(cov[:, 0, 0]),
        tried=np.full(len(b), n),
    )


def forms(rng, *, moved, n_anchors=40, slope=1.2, shift=0.5):
    """Anchors' curves on both scales, and which of them moved by 0.5 logits."""
    a, b = np.exp(0.3 * rng.standard_normal(n_anchors)), rng.standard_normal(n_anchors)
    then, drifted = b.copy(), rng.choice(n_anchors, moved, replace=False)
    then[drifted] += 0.5 * rng.choice([-1, 1], moved)
    return (a, b), (a * slope, (then - shift) / slope), drifted


def rates(named, drifted, n_anchors):
    """Whether all that moved are named, and the share of the others that are."""
    true, said = {f"item-{i + 1}" for i in drifted}, set(named)
    return true <= said, len(said - true) / (n_anchors - len(true))


def test_two_of_forty_that_moved_are_named(capsys):
    """5,000 persons a form: estimates drawn with the covariances of such samples."""
    rng, found = np.random.default_rng(4), []
    for _ in range(300):
        (a, b), (own_a, own_b), drifted = forms(rng, moved=2)
        old = estimated(rng, a, b, n=5000, scale="old")
        new = estimated(rng, own_a, own_b, n=5000, scale="new")
        found.append(rates(find_drift(new, old).drifted, drifted, 40))
    both, false = np.mean(found, axis=0)
    with capsys.disabled():
        print(f"\ndrift, drawn estimates: both named {both:.3f}, false alarms {false:.4f}")
    assert both >= 0.95
    assert false <= 0.05


def answers(rng, theta, a, b, tag):
    chance = special.expit(a * (theta[:, None] - b))
    person, item = (index.ravel() for index in np.indices(chance.shape))
    return Responses(
        solver=person,
        item=item,
        solved=(rng.random(chance.shape) < chance).astype(float).ravel(),
        tried=np.ones(chance.size, int),
        solvers=tuple(f"{tag}{i}" for i in range(len(theta))),
        items=tuple(f"item-{i + 1}" for i in range(len(b))),
    )


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["population", "solvers"])
def test_two_of_forty_that_moved_are_named_after_real_fits(reference, capsys):
    rng, found = np.random.default_rng(8), []
    for _ in range(20):
        (a, b), _, drifted = forms(rng, moved=2)
        then = b.copy()
        then[drifted] += 0.5 * rng.choice([-1, 1], 2)
        one, two = rng.standard_normal(5000), 0.5 + 1.2 * rng.standard_normal(5000)
        old = fit(answers(rng, one, a, b, "o"), reference=reference)
        new = fit(answers(rng, two, a, then, "n"), reference=reference)
        found.append(rates(find_drift(new, old).drifted, drifted, 40))
    both, false = np.mean(found, axis=0)
    with capsys.disabled():
        print(f"\ndrift, real fits, {reference}: both named {both:.2f}, false alarms {false:.4f}")
    assert both >= 0.95
    assert false <= 0.05


def test_without_drift_p_is_uniform_and_alarms_keep_their_level():
    rng, p, any_named = np.random.default_rng(2), [], {"fdr": [], "holm": [], "none": []}
    for _ in range(150):
        (a, b), (own_a, own_b), _ = forms(rng, moved=0, n_anchors=20)
        old = estimated(rng, a, b, n=2000, scale="old")
        new = estimated(rng, own_a, own_b, n=2000, scale="new")
        for adjust, counts in any_named.items():
            found = find_drift(new, old, adjust=adjust)
            counts.append(len(found.drifted))
        p.append(find_drift(new, old, adjust="holm").p)
    pooled = np.concatenate(p)
    assert np.mean(pooled < 0.05) <= 0.05
    assert stats.kstest(pooled, "uniform").statistic < 0.12  # the spread makes p a little large
    assert np.mean(np.array(any_named["holm"]) > 0) <= 0.08
    assert np.mean(np.array(any_named["fdr"]) > 0) <= 0.08
    assert np.mean(any_named["none"]) / 20 <= 0.05


def test_z_by_hand():
    # 8 anchors of slope 1, errors .05 in b on both sides: Var of a difference 0.005, sd 0.0707;
    # one moved by 0.5, the link is made from the other 7, whose own differences are exactly 0
    b = np.linspace(-1.4, 1.4, 8)
    then = b.copy()
    then[3] += 0.5
    found = find_drift(known(b, scale="new"), known(then), adjust="holm")
    assert found.drifted == ("item-4",)
    assert found.difficulty[3] == pytest.approx(0.5, abs=1e-6)
    assert np.delete(found.difficulty, 3) == pytest.approx(np.zeros(7), abs=1e-6)
    # the link's error at b = -0.2, near the middle: about 1 / 7 of an anchor's variance more
    assert found.z_difficulty[3] == pytest.approx(0.5 / np.sqrt(0.005 * 8 / 7), rel=0.02)


def test_changed_slopes_and_leaks_are_told_apart():
    b, a = np.linspace(-1.5, 1.5, 12), np.full(12, 1.2)
    steeper, easier = a.copy(), b.copy()
    steeper[2] *= 1.6
    easier[9] -= 0.6
    found = find_drift(known(b, a, scale="new"), known(easier, steeper))
    assert set(found.drifted) == {"item-3", "item-10"}
    assert found.log_slope[2] == pytest.approx(np.log(1.6), abs=0.05)
    assert abs(found.z_slope[9]) < 2 < abs(found.z_difficulty[9])
    assert found.difficulty[9] == pytest.approx(-0.6, abs=0.05)


def test_a_third_that_moved_one_way_does_not_pull_the_link():
    b = np.linspace(-2, 2, 30)
    then = b.copy()
    then[::3] += 0.8
    found = find_drift(known(b, scale="new"), known(then))
    assert set(found.drifted) == {f"item-{i + 1}" for i in range(0, 30, 3)}


def test_a_bulk_that_differs_more_than_its_errors_is_no_drift():
    """Other populations solve items in other ways: all differ a bit, and that is said once."""
    rng = np.random.default_rng(0)
    b = np.linspace(-2, 2, 40)
    then = b + rng.normal(0, 0.3, 40)
    then[7] += 2.5
    found = find_drift(known(b, scale="new"), known(then))
    assert found.spread > 3
    assert found.drifted == ("item-8",)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_anchors_cannot_be_tested(n):
    b = np.arange(n, dtype=float)
    then = b.copy()
    then[0] += 5
    found = find_drift(known(b, scale="new"), known(then))
    assert not found.tested
    assert found.drifted == ()


def test_never_more_than_half_are_named():
    b = np.linspace(-2, 2, 9)
    then = b + np.array([0, 0, 0, 0, 0, 3, -3, 5, -5.0])
    found = find_drift(known(b, scale="new"), known(then))
    assert set(found.drifted) == {"item-6", "item-7", "item-8", "item-9"}
    wild = find_drift(known(b, scale="new"), known(np.array([9, -9, 4, -7, 3, 8, -2, 5, -5.0])))
    assert len(wild.drifted) <= 4


def test_one_slope_for_all_is_tested_on_difficulty_alone():
    about = {"fit": {"model": "1pl"}}
    b = np.linspace(-1, 1, 8)
    then = b + 0.0
    then[2] += 0.14  # 0.14 / sqrt(0.005 x 8 / 7) = 1.85: p = 0.064 of one degree of freedom
    found = find_drift(
        replace(known(b, scale="new"), **about), replace(known(then), **about), adjust="none"
    )
    assert found.p[2] == pytest.approx(2 * stats.norm.sf(abs(found.z_difficulty[2])))


def test_bad_arguments():
    bank = known([0.0, 1.0])
    with pytest.raises(ArgumentError, match="alpha"):
        find_drift(bank, bank, alpha=0.0)
    with pytest.raises(ArgumentError, match="adjust"):
        find_drift(bank, bank, adjust="bonferoni")
    with pytest.raises(ArgumentError, match="no overlap"):
        find_drift(replace(bank, items=("x", "y")), bank)
