"""The ways of integrating abilities out agree, whatever form the same counts come in."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from gradatim.errors import ArgumentError
from gradatim.scale import complete, estep, irt, products, sparse
from gradatim.scale.cells import Cells, Table, arrange, blocks, tabulate, totals, unfold
from gradatim.scale.derivatives import Items
from gradatim.scale.estep import measure
from gradatim.scale.louis import errors
from gradatim.scale.marginal import WEAK, Setup, penalty, shared_curvature
from gradatim.scale.quadrature import count_nodes, integrate, modes
from gradatim.scale.survey import parts_of, scale_id
from gradatim.types import Matrix, Responses


def simulated(n_persons, n_items, *, tries=1, holes=0.0, seed=0, slope=1.0, wide=1.0):
    """Items near the truth, and responses as cells and as a matrix."""
    rng = np.random.default_rng(seed)
    theta, a, b = (
        rng.normal(size=n_persons),
        slope * np.exp(rng.normal(0, 0.5, n_items)),
        wide * rng.normal(size=n_items),
    )
    n = np.broadcast_to(rng.integers(1, tries + 1, n_items), (n_persons, n_items))
    n = np.where(rng.random(n.shape) < holes, 0, n)
    n[0], n[:, 0] = n.max(axis=0), max(1, n[:, 0].max())  # nobody and nothing is left out
    k = rng.binomial(n, special.expit(a * (theta[:, None] - b)))
    names = tuple(f"s{i:04d}" for i in range(n_persons)), tuple(f"i{i:04d}" for i in range(n_items))
    solver, item = np.nonzero(n)
    cells = Responses(
        solver=solver,
        item=item,
        solved=k[solver, item],
        tried=n[solver, item],
        solvers=names[0],
        items=names[1],
    )
    matrix = Matrix(solved=k, tried=n, solvers=names[0], items=names[1])
    return Items(np.log(a) + 0.1, 0.9 * b), cells, matrix


def reference(cells, items, n_nodes, *, errors=False):
    nodes = modes(cells, items, np.zeros(len(cells.persons)), steps=100)
    # a second look from the mode itself, so that both ways begin at the same place
    nodes = modes(cells, items, nodes[0], steps=100)
    return nodes, integrate(cells, items, nodes, n_nodes=n_nodes, errors=errors)


def close(found, wanted, *, rtol):
    for name in ("loglik", "mean", "sd", "gradient", "expected"):
        one, two = getattr(found, name), getattr(wanted, name)
        np.testing.assert_allclose(one, two, atol=rtol * np.abs(two).max(), err_msg=name)


@given(
    st.integers(2, 40),
    st.integers(1, 60),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.05]),
    st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_complete_and_compiled_are_the_general_way(n_persons, n_items, tries, holes, seed):
    items, responses, matrix = simulated(n_persons, n_items, tries=tries, holes=holes, seed=seed)
    cells = arrange(responses)
    n_nodes = 61  # placed a step apart, fewer differ by 1e-6 on tests of one or two items
    nodes, wanted = reference(cells, items, n_nodes, errors=True)
    if products.compiled() is not None:  # the extra [fast]
        *_, found = sparse.visit(cells, items, nodes[0], n_nodes=n_nodes, errors=True)
        close(found, wanted, rtol=1e-6)
        for name in ("missing", "with_ability"):
            one, two = getattr(found, name), getattr(wanted, name)
            np.testing.assert_allclose(one, two, atol=1e-6 * np.abs(two).max(), err_msg=name)
    table = tabulate(matrix)
    if isinstance(table, Table):
        close(complete.visit(table, items, nodes[0], n_nodes=n_nodes).posterior, wanted, rtol=1e-6)


def test_steep_and_far_items_are_read_exactly_off_the_grid():
    items, _, matrix = simulated(60, 300, seed=5, slope=8.0, wide=4.0)
    table = tabulate(matrix)
    nodes, wanted = reference(unfold(table), items, 61)
    close(complete.visit(table, items, nodes[0], n_nodes=61).posterior, wanted, rtol=1e-5)


def mostly_empty_rows(seed=4):
    """A table some of whose rows lost half, or nearly all, of their cells."""
    items, responses, matrix = simulated(60, 400, seed=seed)
    left = np.ones((60, 400), dtype=bool)
    left[7, 150:] = left[20, :240] = left[33, 20:] = left[34, :380] = False
    kept = left[responses.solver, responses.item]
    columns = {
        name: getattr(responses, name)[kept] for name in ("solver", "item", "solved", "tried")
    }
    matrix = replace(matrix, tried=np.where(left, matrix.tried, 0))
    return items, replace(responses, **columns), matrix


@pytest.mark.parametrize("start", [0.0, 3.0, -3.0])
def test_rows_that_are_mostly_holes_are_integrated_where_they_are(start):
    items, responses, matrix = mostly_empty_rows()
    table = tabulate(matrix)
    assert isinstance(table, Table)
    # 9 nodes, as of rows half lost: too few to cover up for nodes in the wrong place
    found = complete.visit(table, items, np.full(60, start), n_nodes=9).posterior
    close(found, reference(arrange(responses), items, 61)[1], rtol=1e-4)


def test_errors_of_rows_that_are_mostly_holes():
    _, responses, matrix = mostly_empty_rows()
    bank = irt.fit(matrix)
    table, cells = tabulate(matrix), arrange(responses)
    x = np.r_[np.log(bank.discrimination), bank.difficulty]
    setup = Setup(table, None, "2pl", WEAK, 31)
    rest = {
        "n_nodes": 31,
        "prior": (penalty(setup, x)[2], shared_curvature(setup, x)),
        "model": "2pl",
        "reference": "solvers",
        "fixed": np.zeros((2, 400), bool),
    }
    items, start = Items(*x.reshape(2, -1)), np.zeros(60)
    (_, own), (_, whole) = (measure(c, items, start, **rest) for c in (table, cells))
    assert own.form == "items"
    assert whole.form == "persons"
    for found, wanted, off in (
        (own.ability, whole.ability, 0.04),
        (own.param[0], whole.param[0], 0.05),
        (own.param[1], whole.param[1], 0.02),
    ):
        np.testing.assert_allclose(found, wanted, rtol=off)
        assert np.median(found / wanted) == pytest.approx(1, abs=0.015)


def test_logits_of_a_thousand_do_not_overflow():
    items, _, matrix = simulated(40, 60, seed=8)
    items = Items(np.r_[items.log_a[:-1], np.log(50)], np.r_[items.b[:-1], -20.0])
    table = tabulate(replace(matrix, solved=np.c_[matrix.solved[:, :-1], np.ones(40, int)]))
    found = complete.visit(table, items, np.zeros(40), n_nodes=31).posterior
    close(found, reference(unfold(table), items, 31)[1], rtol=1e-6)


def test_extreme_abilities_widen_the_grid():
    items = Items(np.zeros(200), np.linspace(15, 25, 200))
    solved = np.ones((3, 200), dtype=np.uint8)
    solved[1] = 0
    matrix = Matrix(
        solved=solved, tried=1, solvers=("a", "b", "c"), items=tuple(map(str, range(200)))
    )
    table = tabulate(matrix)
    found = complete.visit(table, items, np.zeros(3), n_nodes=15).posterior
    close(found, reference(unfold(table), items, 15)[1], rtol=1e-7)
    assert found.mean[0] > 10
    assert found.mean[1] < 0.01


def test_errors_of_a_table_are_those_of_all_covariances():
    # 300 items: own blocks with tangents against the form that ties items through persons
    _, responses, matrix = simulated(250, 300, tries=2, seed=3)
    bank = irt.fit(matrix, priors=None, overdispersion=False)
    log_a, b = np.log(bank.discrimination), bank.difficulty
    cells, at = arrange(responses), Items(log_a, b)
    nodes, posterior = reference(cells, at, 15, errors=True)
    prior = np.zeros((3, 300)), np.zeros((0, 2, 300))
    full = errors(
        cells, at, posterior, nodes=(*nodes, 15), prior=prior, model="2pl", reference="solvers"
    )
    assert full.form == "persons"
    assert bank.fit["item_errors"] == "items"
    pairs = (
        (bank.se_difficulty, full.param[1]),
        (bank.se_discrimination, full.param[0] * np.exp(log_a)),
        (bank.se_ability, full.ability),
    )
    for own, whole in pairs:  # tangents miss a little of the steepest items, on the safe side
        ratio = np.quantile(own / whole, [0, 0.5, 0.95, 1])
        assert ratio[0] > 0.995
        assert ratio[1] < 1.005
        assert ratio[2] < 1.015
        assert ratio[3] < 1.04


# -- one scale, whatever the form -------------------------------------------------------------


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.03, 0.5]))
@settings(max_examples=15)
def test_the_same_counts_are_the_same_scale(seed, holes):
    _, responses, matrix = simulated(12, 15, tries=3, holes=holes, seed=seed)
    rng = np.random.default_rng(seed)
    rows, columns, order = (
        rng.permutation(12),
        rng.permutation(15),
        rng.permutation(len(responses.item)),
    )
    turned = replace(
        matrix,
        solved=matrix.solved[rows][:, columns].astype(float),
        tried=matrix.tried[rows][:, columns],
        solvers=tuple(matrix.solvers[i] for i in rows),
        items=tuple(matrix.items[i] for i in columns),
    )
    shuffled = replace(
        responses,
        solver=responses.solver[order],
        item=responses.item[order],
        solved=responses.solved[order],
        tried=responses.tried[order],
    )
    first = irt.fit(responses)
    for other in (matrix, turned, shuffled):
        bank = irt.fit(other)
        assert bank.scale == first.scale
        assert bank.fit["loglik"] == first.fit["loglik"]
        place = [bank.items.index(name) for name in first.items]
        assert np.array_equal(bank.difficulty[place], first.difficulty)


def test_one_count_more_is_another_scale():
    _, _, matrix = simulated(10, 12)
    changed = replace(matrix, solved=np.where(np.arange(12) == 3, 1 - matrix.solved, matrix.solved))
    ids = {scale_id(m, tabulate(m), model="2pl") for m in (matrix, changed)}
    assert len(ids | {scale_id(matrix, tabulate(matrix), model="1pl")}) == 3


def test_tables_are_for_complete_and_even_counts():
    _, responses, matrix = simulated(10, 12, tries=3)
    assert isinstance(tabulate(responses), Table)
    uneven = replace(matrix, tried=matrix.tried + np.eye(10, 12, dtype=int))
    assert isinstance(tabulate(uneven), Cells)
    gaps = replace(matrix, tried=np.where(np.arange(12) < 3, 0, matrix.tried))
    table = tabulate(gaps)  # items that nobody tried are no holes
    assert isinstance(table, Table)
    assert len(table.items) == 9
    assert np.array_equal(totals(table).item_solved, matrix.solved[:, 3:].sum(axis=0))


def test_blocks_of_a_table_are_its_cells():
    _, responses, _ = simulated(30, 20, tries=2, holes=0.04, seed=2)
    table, cells = tabulate(responses), arrange(responses)
    assert isinstance(table, Table)
    assert len(table.item)
    pieces = [piece for _, piece in blocks(table)]
    assert np.array_equal(np.concatenate([p.solved for p in pieces]), cells.solved)
    assert np.array_equal(np.concatenate([p.item for p in pieces]), cells.item)
    for one, two in zip(totals(table), totals(cells), strict=True):
        np.testing.assert_allclose(one, two)


def test_without_a_compiler_the_numbers_are_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    table = (rng.random((700, 3100)) < 0.5).astype(np.uint8)  # above `products.LARGE`
    left, right, weight = rng.normal(size=3100), rng.normal(size=3100), rng.normal(size=700)
    both = products.project(table, left, right), products.collect(table, weight)
    monkeypatch.setattr(products, "compiled", lambda: None)
    np.testing.assert_allclose(products.project(table, left, right), both[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(products.collect(table, weight), both[1], rtol=1e-9, atol=1e-9)


def test_parts_are_found_in_chains():
    # a - x - b - y - c, and d alone with z
    solver, item = np.array([0, 1, 1, 2, 3]), np.array([0, 0, 1, 1, 2])
    responses = Responses(
        solver=solver,
        item=item,
        solved=np.ones(5),
        tried=np.ones(5, int),
        solvers=tuple("abcd"),
        items=tuple("xyz"),
    )
    label = parts_of(arrange(responses))
    assert label[0] == label[1] == label[2] != label[3]


def test_nodes_follow_the_shortest_test():
    _, responses, matrix = simulated(5, 40, holes=0.05, seed=1)
    assert count_nodes(tabulate(matrix)) == count_nodes(arrange(responses))


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"solved": np.array([[2, 0], [0, 1]])}, "0 <= solved <= tried, got 2 for solver 'a'"),
        ({"solved": np.array([[0.5, np.nan], [0, 1]])}, "got nan for solver 'a', item 'y'"),
        ({"solved": np.array([[1, 0, 1], [0, 1, 1]])}, "one entry per solver and item"),
        ({"solved": np.array([["1", "0"], ["0", "1"]])}, "must hold numbers"),
        ({"tried": 0}, "nobody answered anything"),
        ({"tried": np.array([[1, -1], [1, 1]])}, "tried >= 0, got -1"),
        ({"solvers": ("a", "a")}, "got 'a' twice"),
    ],
)
def test_matrices_that_cannot_be(changes, words):
    matrix = Matrix(
        solved=np.array([[1, 0], [0, 1]]), tried=1, solvers=("a", "b"), items=("x", "y")
    )
    with pytest.raises(ArgumentError, match=words):
        irt.fit(replace(matrix, **changes))


def test_what_lies_in_holes_is_not_read():
    matrix = Matrix(
        solved=np.array([[1, 0, 1], [0, 1, np.nan], [1, 1, 0]]),
        tried=np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1]]),
        solvers=("a", "b", "c"),
        items=("x", "y", "z"),
    )
    assert np.isfinite(irt.fit(matrix).fit["loglik"])


@pytest.mark.parametrize("tries", [1, 3])
def test_small_types_for_many_cells_change_nothing(tries, monkeypatch):
    _, responses, _ = simulated(60, 80, tries=tries, holes=0.4, seed=9)
    wide = irt.fit(responses)
    monkeypatch.setattr(estep, "LARGE", 100)
    narrow = irt.fit(responses)
    assert narrow.scale == wide.scale
    np.testing.assert_allclose(narrow.difficulty, wide.difficulty, rtol=1e-12)
    np.testing.assert_allclose(narrow.se_difficulty, wide.se_difficulty, rtol=1e-12)
    np.testing.assert_array_equal(narrow.solved, wide.solved)
    assert estep.narrowed(arrange(responses)).solved.dtype == np.uint8
    halves = replace(responses, solved=responses.solved / 2)
    assert estep.narrowed(arrange(halves)).solved.dtype == float
