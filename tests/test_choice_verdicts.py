import numpy as np
import pytest

from gradatim.choice.verdicts import Errors, buy_verdicts, cheap_verdicts, mix_error
from gradatim.errors import ArgumentError

KNOWN = Errors(rate=0.4, passes_wrong=0.15, fails_right=0.1)


def simulated(known, cheap, strong, rng, times=4000):
    """Root mean square error of the estimate from such a mix, by trying it."""
    p, wrong, right = known
    truth = rng.random((times, max(cheap, strong))) < p
    said = np.where(truth, rng.random(truth.shape) >= right, rng.random(truth.shape) < wrong)
    if strong == 0:
        found = said.mean(axis=1)
    else:
        both = truth[:, :strong] * 1.0, said[:, :strong] * 1.0
        centred = both[0] - both[0].mean(1, keepdims=True), both[1] - both[1].mean(1, keepdims=True)
        slope = (centred[0] * centred[1]).sum(1) / np.maximum((centred[1] ** 2).sum(1), 1e-9)
        found = both[0].mean(1) + slope * (said.mean(1) - both[1].mean(1))
    return float(np.sqrt(((found - p) ** 2).mean()))


def test_cheap_verdicts_by_hand():
    # .4 x .9 + .6 x .15 = .45, bias .05; covariance .36 - .18 = .18 over sqrt(.24 x .2475)
    mean, bias, r = cheap_verdicts(KNOWN)
    assert mean == pytest.approx(0.45)
    assert bias == pytest.approx(0.05)
    assert r == pytest.approx(0.18 / np.sqrt(0.24 * 0.2475))
    assert cheap_verdicts(Errors(0.3, 0, 0))[2] == pytest.approx(1)
    assert cheap_verdicts(Errors(0.3, 1, 0))[2] == 0  # says yes to everything


@pytest.mark.parametrize(("cheap", "strong"), [(300, 0), (300, 60), (80, 80)])
def test_errors_match_simulation(cheap, strong):
    found = simulated(KNOWN, cheap, strong, np.random.default_rng(0))
    assert mix_error(KNOWN, cheap, strong) == pytest.approx(found, rel=0.06)


@pytest.mark.parametrize(("strong", "regime"), [(0.05, "strong"), (1.5, "mixed"), (20.0, "cheap")])
def test_s195_the_mix_is_near_the_simulated_best_at_three_prices(strong, regime):
    rng, budget, attempt, cheap = np.random.default_rng(1), 300.0, 0.1, 0.1
    chosen = buy_verdicts(KNOWN, budget, attempt=attempt, cheap=cheap, strong=strong)
    assert chosen.regime == regime
    grid = [(int(budget / (attempt + cheap)), 0), (0, int(budget / (attempt + strong)))]
    for share in np.linspace(0.05, 1, 12):
        judged = int(budget / (attempt + cheap + strong * share))
        again = int((budget - judged * (attempt + cheap)) / strong)
        if 8 <= again <= judged:
            grid.append((judged, again))
    tried = [simulated(KNOWN, *mix, rng, times=1000) for mix in grid]
    mine = simulated(KNOWN, chosen.cheap, chosen.strong, rng, times=1000)
    assert mine < 1.07 * min(tried)
    spent = chosen.cheap * (attempt + cheap) + chosen.strong * strong
    spent += attempt * max(chosen.strong - chosen.cheap, 0)
    assert spent <= budget + 1e-9
    assert chosen.error == min(chosen.errors)


def test_perfect_and_useless_cheap_verifiers():
    perfect = buy_verdicts(Errors(0.5, 0, 0), 50.0, attempt=0.1, cheap=0.1, strong=1.0)
    assert perfect.regime == "cheap"
    useless = buy_verdicts(Errors(0.5, 1, 0), 50.0, attempt=0.1, cheap=0.1, strong=1.0)
    assert useless.regime == "strong"


def test_bad_prices_are_named():
    with pytest.raises(ArgumentError, match=r"`budget` must buy .* 1\.1 at least; got 1"):
        buy_verdicts(KNOWN, 1.0, attempt=0.1, cheap=0.1, strong=1.0)
    with pytest.raises(ArgumentError, match="`rate` must lie in"):
        buy_verdicts(Errors(1.0, 0, 0), 9.0, attempt=0.1, cheap=0.1, strong=1.0)
    with pytest.raises(ArgumentError, match="`cheap` must lie in"):
        buy_verdicts(KNOWN, 9.0, attempt=0.1, cheap=0.0, strong=1.0)
