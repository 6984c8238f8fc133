"""The sampler on a model whose logits are a function of the words before, whatever is beside."""

from types import SimpleNamespace

import pytest
import torch

from gradatim.choice.voting import certainty
from gradatim.rng import Stream
from gradatim.solvers.transformers_sampler import Row, Rule, draw, left_padded, sample, shared

WORDS, END = 7, 6


def logits_after(words):
    stream = Stream("fake model", *words)
    return torch.tensor([4 * stream.uniform() for _ in range(WORDS)])


class Cache:
    """What each row has read; padding is None."""

    def __init__(self, n):
        self.rows = [[] for _ in range(n)]

    def batch_select_indices(self, indices):
        self.rows = [list(self.rows[i]) for i in indices.tolist()]


class Model:
    """As transformers' causal models are called; it checks masks and positions on its way."""

    def __init__(self):
        self.read = 0

    def __call__(self, input_ids, attention_mask, position_ids, past_key_values=None, **options):
        assert options.pop("use_cache") is True
        assert options.pop("logits_to_keep", 1) == 1
        assert not options
        cache = past_key_values or Cache(len(input_ids))
        self.read += input_ids.numel()
        for row, words, mask, places in zip(
            cache.rows,
            input_ids.tolist(),
            attention_mask.tolist(),
            position_ids.tolist(),
            strict=True,
        ):
            assert len(mask) == len(row) + len(words)
            for word, seen, place in zip(words, mask[len(row) :], places, strict=True):
                assert place == (sum(w is not None for w in row) if seen else place)
                row.append(word if seen else None)
        logits = [logits_after([w for w in row if w is not None]) for row in cache.rows]
        return SimpleNamespace(logits=torch.stack(logits)[:, None], past_key_values=cache)


PROMPTS = [[1, 2, 3], [1, 2], [1, 2, 4, 5, 0], [1, 2, 3, 3]]


def row(prompt, sample=0, limit=9):
    return Row(prompt, limit, Stream("draw", prompt, sample).uniform)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("share", [True, False])
def test_a_batch_gives_what_each_row_gives_alone(temperature, share):
    rule = Rule(temperature, 0.9, {END})
    pairs = [(i, j) for i in range(4) for j in range(3)]
    together = sample(Model(), PROMPTS, [row(*pair) for pair in pairs], rule=rule, share=share)
    for (i, j), got in zip(pairs, together, strict=True):
        (alone,) = sample(
            Model(), [PROMPTS[i]], [row(0, 0)._replace(uniform=row(i, j).uniform)], rule=rule
        )
        assert (got.tokens, got.finished) == (alone.tokens, alone.finished)
        assert got.logp == pytest.approx(alone.logp)
        assert got.certainty == pytest.approx(alone.certainty)
    assert len({len(got.tokens) for got in together}) > 1  # some rows left the batch before others


def test_log_probability_and_certainty_are_the_models_own():
    (got,) = sample(Model(), [[3, 1]], [row(0)], rule=Rule(0.5, 0.6, {END}))
    words, logp, sure = [3, 1], 0.0, 0.0
    for word in got.tokens:
        each = logits_after(words).log_softmax(-1)
        logp, sure = logp + float(each[word]), sure + float(certainty(each))
        words.append(word)
    assert got.logp == pytest.approx(logp, rel=1e-6)
    assert got.certainty == pytest.approx(sure / len(got.tokens), rel=1e-6)


def test_a_reply_ends_by_mark_stop_or_limit():
    greedy = [logits_after([2])]
    first = int(greedy[0].argmax())
    ends = sample(Model(), [[2]], [row(0)], rule=Rule(0.0, ends={first}))[0]
    assert (ends.tokens, ends.finished) == ([first], True)
    stopped = sample(
        Model(), [[2]], [row(0)], rule=Rule(0.0, stopped=lambda tokens: len(tokens) == 3)
    )[0]
    assert (len(stopped.tokens), stopped.finished) == (3, True)
    cut = sample(Model(), [[2], [3]], [row(0, limit=1), row(1, limit=4)], rule=Rule(0.0))
    assert [(len(c.tokens), c.finished) for c in cut] == [(1, False), (4, False)]


def test_what_prompts_share_is_read_once():
    long = list(range(5)) * 8
    prompts = [[*long, 1], [*long, 2, 3]]
    rows = [row(0, limit=1), row(1, limit=1)]
    model, plain = Model(), Model()
    assert sample(model, prompts, rows, rule=Rule(0.0)) == sample(
        plain, prompts, rows, rule=Rule(0.0), share=False
    )
    assert (model.read, plain.read) == (40 + 2 * 2, 2 * 42)


def test_nothing_asked_is_nothing_read():
    assert sample(None, [[1]], [], rule=Rule(1.0)) == []


@pytest.mark.parametrize(
    ("prompts", "common"),
    [([[1]], 0), ([[1, 2], [1, 2]], 1), ([[1], [2]], 0), ([[1, 2, 3], [1, 2], [1, 5]], 1)],
)
def test_shared_beginning_leaves_a_token_of_each(prompts, common):
    assert shared(prompts) == common


def test_left_padding():
    tokens, mask, positions = left_padded([[1, 2, 3], [4]], pad=9, device="cpu")
    assert tokens.tolist() == [[1, 2, 3], [9, 9, 4]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert positions.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_draws_follow_the_distribution():
    logp = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    uniform = (torch.arange(1000).double() + 0.5) / 1000
    many = logp.expand(1000, -1)
    assert torch.bincount(draw(many, uniform, temperature=1, top_p=1)).tolist() == [
        100,
        200,
        300,
        400,
    ]
    # temperature 1/2 squares: 1, 4, 9, 16 of 30
    hot = torch.bincount(draw(many, uniform, temperature=0.5, top_p=1))
    assert hot.tolist() == pytest.approx([33, 133, 300, 533], abs=1)
    # the likeliest that reach .6 are the last two
    kept = torch.bincount(draw(many, uniform, temperature=1, top_p=0.6), minlength=4)
    assert kept.tolist() == pytest.approx([0, 0, 429, 571], abs=1)
    assert set(draw(many, uniform, temperature=0, top_p=1).tolist()) == {3}


def test_a_draw_never_takes_what_is_impossible():
    logp = torch.tensor([[0.0, 1.0, 0.0]]).log()
    for u in (0.0, 1 - 2**-53):
        assert draw(
            logp, torch.tensor([u], dtype=torch.float64), temperature=1, top_p=1
        ).tolist() == [1]
