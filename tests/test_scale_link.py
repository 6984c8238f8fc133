from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from gradatim.errors import ArgumentError
from gradatim.scale.anchors import errors_of
from gradatim.scale.curves import flat, probability
from gradatim.scale.irt import fit
from gradatim.scale.link import link, merge, place
from gradatim.types import Responses

METHODS = ("stocking-lord", "haebara", "mean-sigma", "mean-mean", "precision")


def known(b, a=None, *, names=None, scale="old", se=0.1, **more):
    a = np.ones(len(b)) if a is None else np.asarray(a, float)
    bank = flat(difficulty=b, discrimination=a, **more)
    each = np.full(len(b), se)
    return replace(
        bank,
        items=bank.items if names is None else tuple(names),
        scale=scale,
        se_difficulty=each,
        se_discrimination=a * se,
        tried=np.full(len(b), 500),
    )


def seen_from(bank, slope, shift, scale="new"):
    """The same items on the scale theta' with theta = slope theta' + shift."""
    return replace(
        bank,
        difficulty=(bank.difficulty - shift) / slope,
        discrimination=bank.discrimination * slope,
        se_discrimination=bank.se_discrimination * slope,
        se_difficulty=bank.se_difficulty / slope,
        scale=scale,
    )


# -- simulation -------------------------------------------------------------------------------


def item_covariance(a, b, n, floor=0.0):
    """(item, 2, 2) of (log a, b) from n persons of N(0, 1): inverse expected information.

    Abilities are as known; two groups' items are then independent, as `link` takes them.
    """
    x = np.linspace(-5, 5, 101)
    w = np.exp(-(x**2) / 2) / np.exp(-(x**2) / 2).sum()
    s = special.expit(a[:, None] * (x - b[:, None]))
    p = floor + (1 - floor) * s
    rise = (1 - floor) * s * (1 - s) * a[:, None]
    slopes = np.stack([rise * (x - b[:, None]), -rise])
    return np.linalg.inv(n * np.einsum("riq,siq,q,iq->irs", slopes, slopes, w, 1 / (p * (1 - p))))


def estimated(rng, names, a, b, *, n, scale, floor=0.0):
    """A bank of noisy estimates with known errors, as n persons of N(0, 1) would give."""
    cov = item_covariance(a, b, n, floor)
    noise = np.einsum("irs,is->ir", np.linalg.cholesky(cov), rng.standard_normal((len(b), 2)))
    return replace(
        known(b + noise[:, 1], a * np.exp(noise[:, 0]), names=names, scale=scale),
        floor=np.full(len(b), floor),
        se_difficulty=np.sqrt(cov[:, 1, 1]),
        se_discrimination=a * np.exp(noise[:, 0]) * np.sqrt(cov[:, 0, 0]),
        tried=np.full(len(b), n),
    )


def pair_of_banks(rng, *, n_anchors, n, slope, shift, floor=0.0, moved=0, by=0.5):
    """Banks new and old, the ids that drifted, and the smallest errors of (log A, B)."""
    a, b = np.exp(0.3 * rng.standard_normal(n_anchors)), rng.standard_normal(n_anchors)
    names = [f"i{k:02}" for k in range(n_anchors)]
    drifted = rng.choice(n_anchors, moved, replace=False)
    then = b.copy()
    then[drifted] += by * rng.choice([-1, 1], moved)
    own_a, own_b = a * slope, (then - shift) / slope
    old = estimated(rng, names, a, b, n=n, scale="old", floor=floor)
    new = estimated(rng, names, own_a, own_b, n=n, scale="new", floor=floor)
    carried = item_covariance(own_a, own_b, n, floor) * np.outer([1, slope], [1, slope])
    inverse = np.linalg.inv(item_covariance(a, b, n, floor) + carried)
    turn = np.zeros((n_anchors, 2, 2))
    turn[:, 0, 0], turn[:, 1, 0], turn[:, 1, 1] = 1, -slope * own_b, -1
    bound = np.linalg.inv(np.einsum("irc,irs,isd->cd", turn, inverse, turn))
    return new, old, {names[i] for i in drifted}, bound


@pytest.mark.parametrize("method", METHODS)
def test_linking_error_is_the_theorys(method, capsys):
    """RMSE over 200 pairs against (i) the delta method, (ii) the information bound.

    (i) the link's own standard errors: the method's estimating equation, with the anchors'
    covariances; (ii) the inverse information of (A, B) given both banks' estimates, which no
    method can beat. 40 anchors, 1,000 persons a form, A = 1.2, B = 0.5.
    """
    rng, slope, shift = np.random.default_rng(11), 1.2, 0.5
    off, said, bound = np.zeros((200, 2)), np.zeros((200, 2)), np.zeros((200, 2))
    for run in range(200):
        new, old, _, least = pair_of_banks(rng, n_anchors=40, n=1000, slope=slope, shift=shift)
        found = link(new, old, method=method)
        off[run] = found.slope - slope, found.shift - shift
        said[run] = found.se_slope, found.se_shift
        bound[run] = np.diag(least) * [slope**2, 1]
    rmse = np.sqrt(np.mean(off**2, axis=0))
    theory, smallest = np.sqrt(np.mean(said**2, axis=0)), np.sqrt(bound.mean(axis=0))
    with capsys.disabled():
        print(
            f"\n{method}: RMSE of A, B {rmse.round(4)}; / delta method {(rmse / theory).round(3)}; "
            f"/ information bound {(rmse / smallest).round(3)}"
        )
    assert np.all(rmse <= 1.2 * theory)
    assert np.all(theory <= 1.2 * rmse), "errors are not too large either"
    if method in ("stocking-lord", "haebara", "precision"):
        assert np.all(rmse <= 1.2 * smallest)


@pytest.mark.parametrize("method", METHODS)
def test_linking_error_holds_with_few_anchors_and_a_floor(method):
    rng, off = np.random.default_rng(5), []
    for _ in range(150):
        new, old, _, _ = pair_of_banks(rng, n_anchors=10, n=500, slope=0.8, shift=-0.6, floor=0.2)
        found = link(new, old, method=method)
        off.append([(found.slope - 0.8) / found.se_slope, (found.shift + 0.6) / found.se_shift])
    assert np.all(np.sqrt(np.mean(np.square(off), axis=0)) <= 1.2)


def answers(rng, theta, a, b, names, tag):
    chance = special.expit(a * (theta[:, None] - b))
    person, item = (index.ravel() for index in np.indices(chance.shape))
    return Responses(
        solver=person,
        item=item,
        solved=(rng.random(chance.shape) < chance).astype(float).ravel(),
        tried=np.ones(chance.size, int),
        solvers=tuple(f"{tag}{i}" for i in range(len(theta))),
        items=tuple(names),
    )


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["population", "solvers"])
def test_linking_error_of_real_fits(reference, capsys):
    """Two independent groups of 600, 20 anchors and 10 own items each, both forms fitted.

    With reference "population" the truth is the populations' (A, B); with "solvers" it is where
    the persons drawn lie, whose sampling is then no error.
    """
    rng, scores = np.random.default_rng(2), []
    for _ in range(40):
        a, b = np.exp(0.3 * rng.standard_normal(40)), rng.standard_normal(40)
        names, one = [f"i{k:02}" for k in range(40)], rng.standard_normal(600)
        two = 0.4 + 1.25 * rng.standard_normal(600)
        old = fit(answers(rng, one, a[:30], b[:30], names[:30], "o"), reference=reference)
        new = fit(answers(rng, two, a[10:], b[10:], names[10:], "n"), reference=reference)
        found = link(new, old)
        slope, shift = 1.25, 0.4
        if reference == "solvers":
            slope, shift = two.std() / one.std(), (two.mean() - one.mean()) / one.std()
        scores.append([
            (found.slope - slope) / found.se_slope,
            (found.shift - shift) / found.se_shift,
        ])
    ratio = np.sqrt(np.mean(np.square(scores), axis=0))
    with capsys.disabled():
        print(f"\nreal fits, {reference}: RMSE / theory of A, B {ratio.round(3)}")
    assert np.all(ratio <= 1.2)


# -- exact cases ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_constants_are_exact_without_noise(method):
    old = known([-1.0, 0.0, 0.5, 2.0], [1.0, 2.0, 0.7, 1.5], floor=[0.0, 0.2, 0.1, 0.0])
    old = replace(old, ceiling=np.array([1.0, 0.9, 1.0, 0.95]))
    found = link(seen_from(old, 0.7, -0.4), old, method=method)
    assert found.slope == pytest.approx(0.7, abs=1e-8)
    assert found.shift == pytest.approx(-0.4, abs=1e-8)
    assert found.facts["misfit"] == pytest.approx(0, abs=1e-12)


def test_mean_methods_by_hand():
    # equal errors, so plain moments. b: here (-1, 0, 1) mean 0, sd r; there (-1, 1, 3): mean 1,
    # sd 2 r: A = 2, B = 1 - 2 x 0 = 1. Slopes: mean here 2, there 1.25: A = 1.6, B = 1.
    new = known([-1.0, 0.0, 1.0], [1.0, 2.0, 3.0], scale="new")
    old = known([-1.0, 1.0, 3.0], [1.0, 1.0, 1.75])
    by_sigma, by_mean = (link(new, old, method=m) for m in ("mean-sigma", "mean-mean"))
    assert (by_sigma.slope, by_sigma.shift) == pytest.approx((2.0, 1.0))
    assert (by_mean.slope, by_mean.shift) == pytest.approx((1.6, 1.0))


def test_shift_error_of_one_anchor_by_hand():
    # B = b_there - b_here: variance 0.1^2 + 0.2^2, and no slope from one anchor
    new, old = known([1.0], [1.3], scale="new", se=0.2), known([3.0], [1.3], se=0.1)
    for method in METHODS:
        found = link(new, old, method=method)
        assert (found.slope, found.shift) == pytest.approx((1.0, 2.0))
        assert found.se_slope == 0
        if method in ("mean-sigma", "mean-mean"):
            assert found.se_shift == pytest.approx(np.sqrt(0.05))
        assert any("one anchor" in text for text in found.facts["warnings"])


def test_rasch_banks_have_one_unit():
    old = replace(known([-1.0, 0.0, 1.0]), fit={"model": "rasch"})
    new = replace(known([-1.6, -0.5, 0.7], scale="new"), fit={"model": "rasch"})
    for method in METHODS:
        found = link(new, old, method=method)
        assert found.slope == 1
        assert found.se_slope == 0
        # equal errors: B near the mean of (0.6, 0.5, 0.3) = 0.467
        assert found.shift == pytest.approx(0.467, abs=0.02)


@settings(max_examples=30)
@given(st.floats(0.3, 3), st.floats(-3, 3), st.floats(0.3, 3), st.floats(-2, 2))
def test_links_compose_and_invert(slope, shift, again, more):
    old = known([-1.0, 0.2, 0.5, 1.5, 2.0], [1.0, 2.0, 0.7, 1.5, 1.2])
    new = seen_from(old, slope, shift)
    third = seen_from(new, again, more, scale="third")
    there, back = link(new, old), link(old, new)
    assert there.slope * back.slope == pytest.approx(1, abs=1e-6)
    assert there.slope * back.shift + there.shift == pytest.approx(0, abs=1e-6)
    step, whole = link(third, new), link(third, old)
    assert whole.slope == pytest.approx(there.slope * step.slope, abs=1e-6)
    assert whole.shift == pytest.approx(there.slope * step.shift + there.shift, abs=1e-6)


@settings(max_examples=15)
@given(st.permutations(range(8)))
def test_order_of_items_changes_nothing(order):
    rng = np.random.default_rng(0)
    new, old, _, _ = pair_of_banks(rng, n_anchors=8, n=300, slope=1.1, shift=0.3)
    order = np.array(order)
    columns = ("difficulty", "discrimination", "floor", "se_difficulty", "se_discrimination")
    mixed = replace(
        new,
        items=tuple(new.items[i] for i in order),
        **{name: getattr(new, name)[order] for name in columns},
    )
    for method in METHODS:
        one, two = link(new, old, method=method), link(mixed, old, method=method)
        assert one.slope == pytest.approx(two.slope, abs=1e-9)
        assert one.se_shift == pytest.approx(two.se_shift, abs=1e-9)


# -- placing and merging ----------------------------------------------------------------------


def test_placed_items_keep_their_curves_and_errors_hold_the_links():
    rng = np.random.default_rng(1)
    new, old, _, _ = pair_of_banks(rng, n_anchors=12, n=300, slope=1.3, shift=0.4)
    new = replace(new, solvers=("s",), ability=np.array([0.7]), se_ability=np.array([0.2]))
    found = link(new, old)
    placed = place(new, found)
    assert placed.scale == "old"
    theta = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(
        probability(found.slope * theta + found.shift, placed), probability(theta, new)
    )
    assert placed.ability[0] == pytest.approx(found.slope * 0.7 + found.shift)
    # Var = A^2 se^2 + theta^2 Var A + 2 theta Cov + Var B
    (aa, ab), (_, bb) = found.covariance
    assert placed.se_ability[0] ** 2 == pytest.approx(
        found.slope**2 * 0.04 + 0.49 * aa + 1.4 * ab + bb
    )
    assert np.all(placed.se_difficulty > found.slope * new.se_difficulty)
    # a' = a / A: relative errors add
    relative = (new.se_discrimination / new.discrimination) ** 2 + aa / found.slope**2
    np.testing.assert_allclose((placed.se_discrimination / placed.discrimination) ** 2, relative)
    assert placed.fit["population"] == pytest.approx([found.shift, found.slope])
    assert placed.fit["link"]["anchors"] == 12


def test_only_banks_of_one_scale_mix():
    old = known([0.0, 1.0, 2.0], names="abc")
    new = seen_from(known([0.0, 1.0, 2.0, 3.0], names="abcd"), 1.5, 0.5)
    with pytest.raises(ArgumentError, match=r"only banks of one scale.*'old'.*'new'"):
        merge(old, new)
    both = merge(old, place(new, link(new, old)))
    assert both.items == ("a", "b", "c", "d")
    assert both.scale == "old"
    np.testing.assert_allclose(both.difficulty, [0, 1, 2, 3], atol=1e-8)
    with pytest.raises(ArgumentError, match="link this bank"):
        place(old, link(new, old))


def test_merge_fills_ends_that_one_bank_lacks():
    one, two = known([0.0], names="a"), known([1.0], names="b")
    two = replace(two, ceiling=np.array([0.9]), se_floor=np.array([0.1]))
    both = merge(one, two)
    assert both.ceiling.tolist() == [1.0, 0.9]
    assert both.se_floor.tolist() == [0.0, 0.1]


# -- hard inputs ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("se_difficulty", np.nan),
        ("se_difficulty", np.inf),
        ("difficulty", np.nan),
        ("discrimination", 0.0),
    ],
)
def test_unusable_anchors_are_left_out_and_named(method, field, value):
    old = known([-1.0, 0.0, 1.0, 2.0], [1.0, 2.0, 1.5, 1.0], names="abcd")
    new = seen_from(old, 1.4, 0.3)
    spoiled = getattr(new, field).copy()
    spoiled[1] = value
    found = link(replace(new, **{field: spoiled}), old, method=method)
    assert (found.slope, found.shift) == pytest.approx((1.4, 0.3), abs=1e-7)
    assert found.facts["unusable"] == ["b"]
    assert found.anchors == ("a", "c", "d")


@pytest.mark.parametrize("method", METHODS)
def test_an_anchor_of_huge_error_hardly_counts(method):
    old = known(np.linspace(-2, 2, 9), np.linspace(0.7, 1.5, 9))
    new = seen_from(old, 1.4, 0.3)
    wrong, error = new.difficulty.copy(), new.se_difficulty.copy()
    slope_error = new.se_discrimination.copy()
    wrong[4], error[4], slope_error[4] = 25.0, 30.0, 3.0
    bad = replace(new, difficulty=wrong, se_difficulty=error, se_discrimination=slope_error)
    found = link(bad, old, method=method)
    assert (found.slope, found.shift) == pytest.approx((1.4, 0.3), abs=0.06)


@pytest.mark.parametrize("ids", [(7, 8), ("07", "08"), ("7.0", "8.0"), (" 7", "8 ")])
def test_ids_that_only_look_alike_are_no_overlap(ids):
    old, new = known([0.0, 1.0], names=("7", "8")), known([0.0, 1.0], names=ids, scale="new")
    with pytest.raises(ArgumentError) as caught:
        link(new, old)
    text = str(caught.value)
    assert "no overlap with the linked bank" in text
    assert "\n" not in text
    assert f"{ids[0]!r} and '7'" in text


def test_lookalikes_beside_true_anchors_are_a_warning():
    old = known([0.0, 1.0, 2.0], names=("a", "b", "07"))
    new = known([0.0, 1.0, 2.0], names=("a", "b", "7"), scale="new")
    found = link(new, old)
    assert found.anchors == ("a", "b")
    assert found.facts["lookalikes"] == [["7", "07"]]
    assert any("spelling" in text for text in found.facts["warnings"])
    assert any("only 2 anchors" in text for text in found.facts["warnings"])


def test_bad_arguments_are_one_clear_line():
    old, new = known([0.0, 1.0], names="ab"), known([0.0, 1.0], names="ab", scale="new")
    with pytest.raises(ArgumentError, match=r"no overlap.*'x'"):
        link(known([0.0], names="x"), old)
    with pytest.raises(ArgumentError, match="did you mean 'stocking-lord'"):
        link(new, old, method="stoking-lord")
    with pytest.raises(ArgumentError, match=r"drop.*'c'"):
        link(new, old, drop=("c",))
    with pytest.raises(ArgumentError, match="2 were dropped"):
        link(new, old, drop=("a", "b"))
    with pytest.raises(ArgumentError, match="each item once"):
        link(known([0.0, 1.0], names="aa"), old)
    with pytest.raises(ArgumentError, match="different difficulties"):
        link(known([1.0, 1.0], names="ab"), old, method="mean-sigma")
    with pytest.raises(ArgumentError, match="no finite estimate"):
        link(replace(new, difficulty=np.full(2, np.nan)), old)


def test_errors_of_a_sample_hold_the_samplings_share():
    """Var of the zero is 1 / n, of log unit 1 / (2 n), for each bank that says so."""
    old = known(np.linspace(-1, 1, 9), se=1e-4)
    new = seen_from(old, 2.0, 0.0)
    about = {"fit": {"reference": "population"}, "solvers": tuple("abcd")}
    zero = {"ability": np.zeros(4), "se_ability": np.ones(4)}
    found = link(replace(new, **about, **zero), replace(old, **about, **zero))
    # n = 4 on both sides: Var B = A^2 / 4 + 1 / 4 = 1.25; Var A = A^2 (1/8 + 1/8) = 1
    assert found.se_shift**2 == pytest.approx(1.25, rel=1e-3)
    assert found.se_slope**2 == pytest.approx(1.0, rel=1e-3)


def test_correlation_of_a_and_b_follows_from_the_information():
    a, b = np.array([1.0, 1.5, 0.8]), np.array([-1.5, 0.0, 2.0])
    truth = item_covariance(a, b, 100_000)  # priors count for nothing at so many
    bank = replace(
        known(b, a),
        se_difficulty=np.sqrt(truth[:, 1, 1]),
        se_discrimination=a * np.sqrt(truth[:, 0, 0]),
        tried=np.full(3, 100_000),
    )
    np.testing.assert_allclose(errors_of(bank, np.arange(3)), truth, rtol=0.01, atol=1e-7)


def test_few_solvers_are_said():
    old = known([0.0, 1.0, 2.0, 3.0, 4.0])
    few = {"solvers": tuple("abc"), "ability": np.zeros(3), "se_ability": np.ones(3)}
    thin = replace(seen_from(old, 1.2, 0.0), fit={"priors": {"slope": 0.5}}, **few)
    assert any("3 solvers behind scale 'new'" in text for text in link(thin, old).facts["warnings"])
    assert link(replace(thin, fit={"priors": None}), old).facts["warnings"] == []
