"""Cases in which other programs fail without a word: our answer beside theirs.

Abilities are N(0, 1) in every program here, so at the maximum of the likelihood their posteriors'
mean square is 1, and slopes are the true ones times the standard deviation of the true abilities.
Both are sharp with 1,000 items: what a program says of its scale can be checked without linking.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gradatim.scale import irt
from gradatim.types import Matrix

# mirt 1.2.0 of PyPI on `drawn(...)`: fit_mirt(solved, n_quadpts=.., compute_standard_errors=False),
# then fscores(.., method="EAP"); the last test here runs it again
PYPI_MIRT = {  # (persons, items, nodes): claims to have converged, median slope, sd of abilities
    (200, 1000, 21): (True, 0.6526, 1.3300),  # 21 is the default
    (200, 1000, 41): (True, 0.6544, 1.3109),
    (200, 1000, 121): (True, 1.0209, 0.8529),
    (1000, 5000, 41): (True, 0.5304, 1.7834),
    (200, 5000, 41): (True, 0.5785, 1.5317),
}
# R mirt 1.47, 41 nodes, on 1,000 x 5,000: "1 iteration", no warning; nobody has an ability
R_MIRT = {"slope": 0.851, "ability": np.nan}
MIRT_PYTHON = Path(__file__).parent.parent / ".cache/bench-scale-mirt/bin/python"


def drawn(persons, items):
    """True (theta, a, b) and the responses: seed 7, log a ~ N(0, 0.3^2)."""
    rng = np.random.default_rng(7)
    theta = rng.normal(size=persons)
    a, b = np.exp(rng.normal(0, 0.3, items)), rng.normal(size=items)
    solved = rng.random((persons, items)) < special.expit(a * (theta[:, None] - b))
    return (theta, a, b), solved.astype(np.int8)


def ours(solved):
    return irt.fit(
        Matrix(
            solved=solved,
            tried=1,
            solvers=tuple(f"s{p:05d}" for p in range(solved.shape[0])),
            items=tuple(f"i{i:05d}" for i in range(solved.shape[1])),
        )
    )


def beside(truth, bank, theirs):
    """Our answer is on the scale it claims; the other, as recorded, is not."""
    population = np.median(truth[1] * truth[0].std())  # median slope where solvers are N(0, 1)
    assert bank.fit["converged"]
    assert np.isfinite(bank.fit["loglik"])
    for name in ("ability", "se_ability", "discrimination", "difficulty", "se_difficulty"):
        assert np.isfinite(getattr(bank, name)).all(), name
    assert np.mean(bank.ability**2 + bank.se_ability**2) == pytest.approx(1, abs=0.01)
    assert np.median(bank.discrimination) == pytest.approx(population, rel=0.05)
    claims, median, deviation = theirs
    assert claims
    off = abs(np.log(median / population)), abs(np.log(deviation))
    assert min(off) > 0.08, "this program answers right now: say so"


@pytest.mark.parametrize("nodes", [21, 41, 121])
def test_200_persons_1000_items_on_the_right_scale(nodes):
    truth, solved = drawn(200, 1000)
    bank = ours(solved)
    beside(truth, bank, PYPI_MIRT[200, 1000, nodes])
    assert np.corrcoef(truth[0], bank.ability)[0, 1] > 0.997


def test_5000_items_do_not_leave_slopes_where_they_began():
    truth, solved = drawn(200, 5000)
    bank = ours(solved)
    beside(truth, bank, PYPI_MIRT[200, 5000, 41])
    assert bank.discrimination.std() > 0.1
    assert np.corrcoef(truth[0], bank.ability)[0, 1] > 0.999
    # an estimate of nobody is what R mirt gives: NaN would fail `beside`
    assert np.isnan(R_MIRT["ability"])


@pytest.mark.parametrize("items", [300, 1200, 2500])
def test_a_likelihood_below_the_smallest_float_is_still_one(items):
    # exp(-745) is the smallest positive float64; R mirt's log-likelihood is NaN from 1,200 items on
    _, solved = drawn(40, items)
    bank = ours(solved)
    assert np.isfinite(bank.fit["loglik"])
    assert items < 1200 or bank.fit["loglik"] / 40 < -600
    theta, a, b = bank.ability, bank.discrimination, bank.difficulty
    eta = a * (theta[:, None] - b)
    at_mean = np.sum(solved * eta - np.logaddexp(0, eta), axis=1)
    # Laplace: log density at the mode, plus log of the standard deviation by curvature
    hold = 1 + np.sum(a * a * special.expit(eta) * special.expit(-eta), axis=1)
    close = at_mean - theta**2 / 2 - np.log(hold) / 2
    assert bank.fit["loglik"] == pytest.approx(close.sum(), abs=0.05 * 40)


@pytest.mark.slow
def test_1000_persons_5000_items_beside_both_programs():
    truth, solved = drawn(1000, 5000)
    bank = ours(solved)
    beside(truth, bank, PYPI_MIRT[1000, 5000, 41])
    assert np.corrcoef(truth[1], bank.discrimination)[0, 1] > 0.95
    assert np.median(np.abs(bank.discrimination - R_MIRT["slope"])) > 0.1


CALL = """
import json, sys, mirt, numpy as np
solved = np.load(sys.argv[1]).astype(np.int64)
fit = mirt.fit_mirt(solved, n_quadpts=int(sys.argv[2]), compute_standard_errors=False)
theta = mirt.fscores(fit, solved, method="EAP").theta
slope = np.median(fit.model.parameters["discrimination"])
print(json.dumps([bool(fit.converged), float(slope), float(np.std(theta))]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", [(200, 1000, 21), (200, 1000, 41), (200, 1000, 121)])
def test_mirt_of_pypi_still_answers_what_is_recorded(case, tmp_path):
    if not MIRT_PYTHON.exists():
        pytest.skip("mirt 1.2.0 is installed by `make bench`")
    np.save(tmp_path / "solved.npy", drawn(*case[:2])[1])
    call = [MIRT_PYTHON, "-c", CALL, tmp_path / "solved.npy", str(case[2])]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    claims, *answer = json.loads(done.stdout)
    assert claims is PYPI_MIRT[case][0]
    assert answer == pytest.approx(PYPI_MIRT[case][1:], rel=0.01)
