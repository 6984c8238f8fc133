"""Ratings from files of every kind, errors that say where, and seed row S002."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

import gradatim as gd
from gradatim.cli import app
from gradatim.engine.rate import OPTIONS, _warnings, describe_ratings, rate, save_ratings
from gradatim.errors import ArgumentError, FormatError
from gradatim.store.comparisons import Comparisons
from gradatim.store.formats import read_responses, write_responses
from gradatim.types import Estimate, Matrix, Responses

GAMES = [("a", "b", 1), ("b", "c", 1), ("c", "a", 1), ("a", "c", 1), ("a", "b", 0.5)]


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def simulated(n_solvers, n_items, *, share=1.0, tried=1, seed=0):
    """A log of a 2PL world, its abilities and difficulties."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_solvers), rng.normal(size=n_items)
    a = np.exp(0.3 * rng.normal(size=n_items))
    solver, item = np.nonzero(rng.random((n_solvers, n_items)) < share)
    solved = rng.binomial(tried, expit(a[item] * (theta[solver] - b[item])))
    responses = Responses(
        solver=solver,
        item=item,
        solved=solved.astype(float),
        tried=np.full(len(solver), tried),
        solvers=tuple(f"s{i}" for i in range(n_solvers)),
        items=tuple(f"i{i}" for i in range(n_items)),
    )
    return responses, theta, b


def of(ratings, role):
    return ratings.rating[np.array(ratings.roles) == role]


@pytest.mark.parametrize(("share", "n_solvers"), [(1.0, 60), (0.3, 200)])
def test_s002_difficulty_is_recovered_and_irt_and_glicko_agree(share, n_solvers):
    responses, theta, b = simulated(n_solvers, 300, share=share)
    bank = gd.calibrate(responses, model="2pl")
    ratings = rate(responses, method="glicko2")
    difficulty = of(ratings, "item")
    assert spearmanr(bank.difficulty, b)[0] > 0.9
    assert spearmanr(difficulty, b)[0] > 0.9
    assert spearmanr(bank.difficulty, difficulty)[0] > 0.85
    assert spearmanr(bank.ability, of(ratings, "solver"))[0] > 0.95
    assert spearmanr(theta, of(ratings, "solver"))[0] > 0.95


def test_s002_on_one_scale_a_rating_gap_is_a_chance():
    # solvers and items share the points: chances from ratings match what was solved
    responses, *_ = simulated(100, 400)
    ratings = rate(responses, method="glicko2")
    gap = of(ratings, "solver")[responses.solver] - of(ratings, "item")[responses.item]
    chance = 1 / (1 + 10 ** (-gap / 400))
    for low in (0.1, 0.3, 0.5, 0.7):
        here = (chance >= low) & (chance < low + 0.2)
        assert responses.solved[here].mean() == pytest.approx(chance[here].mean(), abs=0.05)


def test_s002_real_attempts(data_dir):
    responses = read_responses(data_dir / "zeroeval_crux.npz")
    bank = gd.calibrate(responses, model="2pl")
    for method, options in (("glicko2", {}), ("bradley-terry", {"alpha": 0.1})):
        ratings = rate(data_dir / "zeroeval_crux.npz", method=method, **options)
        assert spearmanr(bank.difficulty, of(ratings, "item"))[0] > 0.85
        assert spearmanr(bank.ability, of(ratings, "solver"))[0] > 0.95
        assert ratings.games[: len(responses.solvers)].tolist() == [800] * len(responses.solvers)


@pytest.mark.parametrize("method", OPTIONS)
def test_every_method_finds_the_order_of_games_with_intervals(method, tmp_path):
    rng = np.random.default_rng(1)
    true = np.linspace(1.5, -1.5, 6)
    player = rng.integers(6, size=900)
    opponent = (player + rng.integers(1, 6, size=900)) % 6
    score = (rng.random(900) < expit(true[player] - true[opponent])).astype(int)
    rows = zip(*(c.tolist() for c in (player, opponent, score)), strict=True)
    found = rate(write(tmp_path / "g.csv", ("player", "opponent", "score"), rows), method=method)
    listed = describe_ratings(found)["ratings"]
    assert [row["name"] for row in listed] == list("012345")
    assert all(row["low"] < row["rating"] < row["high"] for row in listed)
    assert sum(row["games"] for row in listed) == 1800
    assert found.facts["warnings"] == []
    assert found.facts["parts"] == []
    unit = 400 / np.log(10) if found.unit == "points" else 1
    spread = (listed[0]["rating"] - listed[-1]["rating"]) / unit
    assert spread == pytest.approx(3, abs=0.6)
    wide = rate(tmp_path / "g.csv", method=method, level=0.99)
    assert (wide.high >= found.high).all()


def test_all_forms_of_one_tournament_agree(tmp_path):
    decided = [g for g in GAMES if g[2] != 0.5]
    forms = [
        write(tmp_path / "a.csv", ("player", "opponent", "score"), GAMES),
        write(
            tmp_path / "b.csv",
            ("winner", "loser", "tie"),
            [(a, b, "true" if s == 0.5 else "") for a, b, s in GAMES],
        ),
        write(
            tmp_path / "c.csv",
            ("model_a", "model_b", "winner"),
            [(a, b, "tie" if s == 0.5 else "model_a") for a, b, s in GAMES],
        ),
        lines(
            tmp_path / "d.jsonl", [{"player": a, "opponent": b, "score": s} for a, b, s in GAMES]
        ),
        lines(
            tmp_path / "e.jsonl",
            [
                {"task": f"t{t}", "system": n, "score": v}
                for t, (a, b, s) in enumerate(GAMES)
                for n, v in ((a, 7.5), (b, 7.5 if s == 0.5 else -1))
            ],
        ),
    ]
    columns = zip(*GAMES, strict=True)
    names = ("player", "opponent", "score")
    pq.write_table(
        pa.table({
            n: [float(v) if n == "score" else v for v in c]
            for n, c in zip(names, columns, strict=True)
        }),
        tmp_path / "f.parquet",
    )
    found = [rate(path, method="bradley-terry") for path in (*forms, tmp_path / "f.parquet")]
    for one in found[1:]:
        assert dict(zip(one.names, one.rating, strict=True)) == pytest.approx(
            dict(zip(found[0].names, found[0].rating, strict=True)), abs=1e-9
        )
    ranked = lines(tmp_path / "g.jsonl", [{"ranking": [a, b]} for a, b, _ in decided])
    plain = write(tmp_path / "h.csv", names, decided)
    for method in ("bradley-terry", "plackett-luce"):
        both = [rate(path, method=method).rating for path in (ranked, plain)]
        assert both[0] == pytest.approx(both[1])
    # draws are half a win for each in both
    luce = rate(forms[0], method="plackett-luce")
    assert luce.rating == pytest.approx(found[0].rating)


def test_rankings_of_a_csv_are_written_with_signs(tmp_path):
    orders = [["a", "b", "c"], ["b", "a", "c"], ["c", "b", "a"]]
    listed = lines(tmp_path / "r.jsonl", [{"ranking": order} for order in orders])
    signed = write(tmp_path / "r.csv", ("ranking",), [[" > ".join(order)] for order in orders])
    one, two = (rate(path, method="plackett-luce") for path in (listed, signed))
    assert one.names == two.names
    assert np.array_equal(one.rating, two.rating)


def test_partial_rankings_and_top_choices(tmp_path):
    path = lines(
        tmp_path / "r.jsonl",
        [
            {"ranking": ["a", "b", "c"], "places": 1},
            {"ranking": ["b", "c", "a"], "places": 1},
            {"ranking": ["c", "a"]},
        ],
    )
    found = rate(path, method="plackett-luce")
    assert found.facts["converged"]
    # told: a over b and c, b over c and a, c over a
    assert found.facts["comparisons"] == 5


def test_runs_and_matrices_are_attempts(tmp_path):
    problems = gd.generate("arithmetic", n=8, level=range(1, 9), split="train", seed=0)
    gd.attempt(problems, solver="sim:2pl", samples=6, run=tmp_path / "run")
    found = rate(tmp_path / "run")
    assert found.roles == ("solver",) + ("item",) * 8
    assert found.facts["comparisons"] == 48
    assert rate(gd.Run(tmp_path / "run")).rating == pytest.approx(found.rating)
    responses, *_ = simulated(4, 12)
    table = np.zeros((4, 12))
    table[responses.solver, responses.item] = responses.solved
    matrix = Matrix(solved=table, tried=1, solvers=responses.solvers, items=responses.items)
    assert rate(matrix).rating == pytest.approx(rate(responses).rating)


def test_glicko_without_periods_has_errors_of_steady_strengths():
    rng = np.random.default_rng(7)
    true = rng.normal(size=40)
    player, n = np.repeat(np.arange(40), 500), 40
    opponent = (player + rng.integers(1, n, size=len(player))) % n
    won = rng.random(len(player)) < expit(true[player] - true[opponent])
    games = Comparisons(
        kind="games",
        names=tuple(map(str, range(n))),
        roles=("player",) * n,
        player=player,
        opponent=opponent,
        score=won.astype(float),
        weight=np.ones(len(player)),
    )
    found, exact = rate(games), rate(games, method="bradley-terry")
    assert found.facts["periods"] == 83  # a usual player's 1,000 games / 12
    points = 400 / np.log(10)
    assert (found.rating - found.rating.mean()) / points == pytest.approx(exact.rating, abs=0.05)
    # Glicko's error holds the common level too, which errors of differences do not
    assert np.mean(found.se) / points == pytest.approx(np.mean(exact.se), rel=0.25)


def test_attempts_and_ranks_of_solvers_by_choices():
    responses, theta, _ = simulated(20, 300, tried=4)
    found = rate(responses, method="plackett-luce")
    assert found.names == responses.solvers
    assert spearmanr(found.rating, theta)[0] > 0.95


def test_periods_let_strength_change_and_play_in_order(tmp_path):
    games = [("a", "b", int(p > 5), p) for p in range(1, 11) for _ in range(5)]
    columns = ("player", "opponent", "score", "period")
    forward = rate(write(tmp_path / "f.csv", columns, games))
    shuffled = rate(write(tmp_path / "s.csv", columns, games[::-1]))
    assert forward.facts["periods"] == 10
    assert forward.rating[0] > forward.rating[1]  # lost the first half, won the last
    assert shuffled.rating == pytest.approx(forward.rating)
    whole = rate(write(tmp_path / "w.csv", columns[:3], [g[:3] for g in games]))
    assert whole.rating[0] == pytest.approx(whole.rating[1])
    late = rate(tmp_path / "f.csv", method="elo", sequential=True)
    assert late.rating[0] > late.rating[1]
    assert "another order gives other ratings" in late.facts["warnings"][0]
    assert np.isnan(late.low).all()


def test_order_of_rows_does_not_matter(tmp_path):
    rng = np.random.default_rng(3)
    games = [(f"p{i}", f"p{(i + d) % 9}", int(s)) for i, d, s in zip(
        rng.integers(9, size=120), rng.integers(1, 9, size=120), rng.integers(2, size=120),
        strict=True,
    )]  # fmt: skip
    columns = ("player", "opponent", "score")
    one = rate(write(tmp_path / "a.csv", columns, games))
    other = rate(write(tmp_path / "b.csv", columns, games[::-1]))
    assert dict(zip(other.names, other.rating, strict=True)) == pytest.approx(
        dict(zip(one.names, one.rating, strict=True))
    )


def test_parts_are_warned_of_and_named(tmp_path):
    games = [("a", "b", 1), ("b", "a", 1), ("x", "y", 1), ("y", "x", 1), ("b", "c", 0.5)]
    path = write(tmp_path / "g.csv", ("player", "opponent", "score"), games)
    found = rate(path)
    assert found.facts["parts"] == [["a", "b", "c"], ["x", "y"]]
    assert "2 parts were never compared" in found.facts["warnings"][0]
    with pytest.raises(ArgumentError, match="a, b, c; x, y; give `alpha` > 0"):
        rate(path, method="bradley-terry")
    drawn = rate(path, method="bradley-terry", alpha=0.1)
    assert any("alpha = 0.1" in words for words in drawn.facts["warnings"])


BAD = [
    (
        "player,opponent,score\na,b,1\na,b,80\n",
        ":3: field 'score': expected 0 <= .* got 80; .*percentage",
    ),
    ("player,opponent,score\na,b,nan\n", ":2: field 'score': expected a finite number, got 'nan'"),
    ("player,opponent,score\na,b,\n", ":2: field 'score': expected a finite number, got ''"),
    (
        "player,opponent,score\na,a,1\n",
        ":2: field 'opponent': .*another name than `player`, got 'a'",
    ),
    ("player,opponent,score\n,b,1\n", ":2: field 'player': expected a name"),
    ("player,opponent\na,b\n", ":2: field 'score': expected a value, got only player, opponent"),
    (
        "player,opponent,score,period\na,b,1,1\na,b,1,\n",
        ":3: field 'period': .*a period in every row",
    ),
    ("player,opponent,score,period\na,b,1,1.5\n", ":2: field 'period': .*a whole number, got 1.5"),
    ("player,opponent,score,weight\na,b,1,0\n", ":2: field 'weight': expected a number above 0"),
    ("winner,loser,tie\na,b,perhaps\n", ":2: field 'tie': expected true or false, got 'perhaps'"),
    ("model_a,model_b,winner\na,b,a\n", ":2: field 'winner': expected model_a, model_b, tie"),
    (
        "system,task,score\na,t,1\na,t,2\n",
        ":3: field 'task': .*each system and task once, .*line 2",
    ),
    ("solver,item,solved,tried\na,x,3,2\n", ":2: field 'solved'"),
    ("who,whom\na,b\n", ":2: expected columns player, opponent, score; .* got who, whom"),
    ("player,opponent,score\n", ": expected rows of comparisons, got none"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_bad_files_say_where(text, words, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=words):
        rate(path)
    assert app.run(["rate", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"ranking": ["a"]}, "two names or more"),
        ({"ranking": "a,b"}, "two names or more"),
        ({"ranking": ["a", "b", "a"]}, "each name once"),
        ({"ranking": ["a", 1]}, "expected texts, as before, got 1; write all names the same way"),
        ({"ranking": ["a", "b"], "places": 3}, "1 <= places <= 2"),
    ],
)
def test_bad_rankings_say_where(row, words, tmp_path):
    path = lines(tmp_path / "r.jsonl", [{"ranking": ["a", "b"]}, row])
    with pytest.raises(FormatError, match=f":2: field .*{words}"):
        rate(path)


def test_bad_arguments(tmp_path):
    path = write(tmp_path / "g.csv", ("player", "opponent", "score"), GAMES)
    with pytest.raises(ArgumentError, match="did you mean 'glicko2'"):
        rate(path, method="glicko")
    with pytest.raises(ArgumentError, match=r"method 'elo' has no 'alpha' \(known: k, orders"):
        rate(path, method="elo", alpha=1)
    with pytest.raises(FormatError, match="nothing of that name"):
        rate(tmp_path / "none.csv")
    with pytest.raises(ArgumentError, match=r"must end in \.csv"):
        save_ratings(tmp_path / "x.txt", rate(path))
    lone = lines(tmp_path / "l.jsonl", [{"system": "a", "task": "t", "score": 1}])
    with pytest.raises(ArgumentError, match="no comparison"):
        rate(lone)
    weighted = write(
        tmp_path / "w.csv", ("player", "opponent", "score", "weight"), [("a", "b", 1, 0.5)]
    )
    with pytest.raises(ArgumentError, match="weights must be whole numbers"):
        rate(weighted, method="elo")


def test_the_verb_prints_a_table_or_one_line_of_json_and_writes_csv(tmp_path, capsys):
    responses, *_ = simulated(5, 80)
    matrix = tmp_path / "m.npz"
    write_responses(matrix, responses)
    assert app.run(["rate", str(matrix), "-o", str(tmp_path / "out.csv")]) == 0
    text = capsys.readouterr().out
    assert "85 ratings from 400 comparisons (attempts), glicko2, in points, 95% intervals" in text
    assert "... 20 more ..." in text
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 85
    assert [float(r["rating"]) for r in table] == sorted(
        (float(r["rating"]) for r in table), reverse=True
    )
    argv = ["rate", str(matrix), "--method", "bradley-terry", "--alpha", "0.1", "--json"]
    assert app.run(argv) == 0
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    found = json.loads(shown)
    assert found["unit"] == "logits"
    assert {row["role"] for row in found["ratings"]} == {"solver", "item"}
    assert app.run(["rate", str(matrix), "--method", "elo", "--sequential"]) == 0
    assert "one pass in the order given" in capsys.readouterr().out


def test_what_was_left_out_or_did_not_settle_is_a_warning(tmp_path):
    logs = Path(__file__).parent / "logs" / "inspect"
    for name in ("weak", "strong"):  # one score each: nothing to choose
        log = json.loads((logs / f"{name}.json").read_text())
        for sample in log["samples"]:
            sample["scores"] = {k: v for k, v in sample["scores"].items() if k == "match"}
        (tmp_path / f"{name}.json").write_text(json.dumps(log))
    assert not any("left out" in words for words in rate(tmp_path).facts["warnings"])
    (tmp_path / "more.csv").write_text("solver,item,solved\na,x,1\n")
    (note,) = (words for words in rate(tmp_path).facts["warnings"] if "left out" in words)
    assert "more.csv" in note
    games = Comparisons(
        kind="games",
        names=("a", "b"),
        roles=("player", "player"),
        player=np.array([0]),
        opponent=np.array([1]),
        score=np.array([0.5]),
        weight=np.array([2.0]),
    )
    one = np.ones(2)
    facts = {"parts": [], "converged": False, "iterations": 200}
    (words,) = _warnings(games, facts, Estimate(one, one, one, one))
    assert words.startswith("the fit stopped after 200 steps before it settled")
    assert "--alpha 0.1" in words
