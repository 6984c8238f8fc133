import json
import math
import zipfile
from io import BytesIO

import numpy as np
import pytest
from scipy import stats

import gradatim as gd
from gradatim.errors import ArgumentError, FormatError
from gradatim.scale.rates import pass_rate
from gradatim.solvers.registry import open_solver
from gradatim.store.run import Run
from gradatim.types import Problem, Request

torch = pytest.importorskip("torch")
tiny = pytest.importorskip("gradatim.solvers.tiny")
model = pytest.importorskip("gradatim.solvers.tiny_model")
sampler = pytest.importorskip("gradatim.solvers.tiny_sampler")

SMALL = model.Shape(width=16, layers=2, heads=2, hidden=24, positions=48)
ALL = model.Shape()


@pytest.fixture(autouse=True)
def one_thread():
    """Two cores are shared, and sums in one order are the same sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def wild(shape, seed=0, scale=5.0):
    """Weights far from the start, so that mistakes show; norms too."""
    make = torch.Generator().manual_seed(seed)
    weights = {k: v * scale for k, v in model.initial(shape, seed).items()}
    for name in weights:
        if "norm" in name:
            weights[name] = 0.5 + torch.rand(shape.width, generator=make)
    return weights


def logits_of(weights, shape, tokens):
    """(token, vocabulary) logits of one sequence: Llama as its paper says it, token by token.

    Plain loops in float64 over heads and positions, no cache, no mask, nothing shared with src.
    """
    w = {k: v.double() for k, v in weights.items()}
    d, h = shape.width, shape.width // shape.heads

    def norm(x, gain):
        return x / torch.sqrt((x * x).mean() + 1e-6) * gain

    def turn(x, at):  # pairs (i, i + h/2) are turned by at * theta^(-2i/h)
        out = x.clone()
        for i in range(h // 2):
            angle = at * shape.theta ** (-2 * i / h)
            c, s = math.cos(angle), math.sin(angle)
            out[i], out[i + h // 2] = x[i] * c - x[i + h // 2] * s, x[i + h // 2] * c + x[i] * s
        return out

    xs = [w["embed"][t] for t in tokens]
    for layer in range(shape.layers):
        q_map, k_map, v_map = w[f"{layer}.qkv"].reshape(3, d, d)
        gate, up = w[f"{layer}.gate_up"][: shape.hidden], w[f"{layer}.gate_up"][shape.hidden :]
        normed = [norm(x, w[f"{layer}.norm1"]) for x in xs]
        heads = [slice(a * h, a * h + h) for a in range(shape.heads)]
        keys = [[turn((k_map @ x)[s], at) for s in heads] for at, x in enumerate(normed)]
        values = [[(v_map @ x)[s] for s in heads] for x in normed]
        after = []
        for at, x in enumerate(normed):
            seen = []
            for a, s in enumerate(heads):
                q = turn((q_map @ x)[s], at)
                score = torch.stack([q @ keys[j][a] / math.sqrt(h) for j in range(at + 1)])
                share = score.exp() / score.exp().sum()
                seen.append(sum(share[j] * values[j][a] for j in range(at + 1)))
            after.append(xs[at] + w[f"{layer}.out"] @ torch.cat(seen))
        xs = []
        for x in after:
            y = norm(x, w[f"{layer}.norm2"])
            z = gate @ y
            xs.append(x + w[f"{layer}.down"] @ (z / (1 + torch.exp(-z)) * (up @ y)))
    return torch.stack([w["embed"] @ norm(x, w["norm"]) for x in xs])


def random_tokens(lengths, seed=0):
    make = np.random.default_rng(seed)
    return [make.integers(0, model.PAD, n).tolist() for n in lengths]


def grouped(weights, shape, prompts, replies, owner):
    return model.reply_logits(
        weights,
        shape,
        model.ragged(prompts),
        owner=torch.tensor(owner),
        replies=model.ragged(replies),
    )


# -- the network --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompts", "counts", "replies"),
    [
        ([5], [1], [4]),
        ([3, 7, 1], [2, 3, 1], [4, 1, 6, 2, 2, 9]),  # ragged in every way
        ([4, 2], [0, 2], [1, 1]),  # a prompt without replies; nothing but first tokens
    ],
)
def test_grouped_logits_are_those_of_one_sequence_after_the_other(prompts, counts, replies):
    weights = wild(SMALL)
    prompts, replies = random_tokens(prompts), random_tokens(replies, 1)
    owner = np.repeat(np.arange(len(prompts)), counts).tolist()
    found = grouped(weights, SMALL, prompts, replies, owner)
    wanted = []
    for reply, who in zip(replies, owner, strict=True):
        whole = logits_of(weights, SMALL, prompts[who] + reply)
        # the logits at position j predict token j + 1
        wanted.append(whole[len(prompts[who]) - 1 : -1])
    wanted = torch.cat(wanted)
    assert found.shape == wanted.shape
    assert float(wanted.abs().max()) > 3  # not the flat logits of a network that does nothing
    assert float((found.double() - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())


def test_replies_that_begin_alike_or_are_alike():
    weights, make = wild(SMALL), np.random.default_rng(4)
    prompts = random_tokens([3, 5, 3], 6)
    owner = make.permutation([0] * 70 + [1] * 9 + [2] * 3).tolist()  # many rows, in any order
    replies = [make.integers(0, 2, make.integers(1, 5)).tolist() for _ in owner]
    found = grouped(weights, SMALL, prompts, replies, owner).split([len(r) for r in replies])
    known = {}  # the plain loop once for each different row
    for got, reply, who in zip(found, replies, owner, strict=True):
        if (who, *reply) not in known:
            known[who, *reply] = logits_of(weights, SMALL, prompts[who] + reply)
        wanted = known[who, *reply][len(prompts[who]) - 1 : -1]
        assert float((got.double() - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())
    assert len(known) < len(owner) / 1.5


def test_the_shipped_policy_agrees_with_the_plain_loop():
    policy = tiny.load()
    prompt, reply = model.encode("r2105954="), [*model.encode("4595012"), model.END]
    found = grouped(policy.weights, policy.shape, [prompt], [reply], [0])
    wanted = logits_of(policy.weights, policy.shape, prompt + reply)[len(prompt) - 1 : -1]
    assert float((found.double() - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())


def test_padding_never_matters():
    weights = wild(SMALL)
    prompt, reply = random_tokens([4, 5])
    alone = grouped(weights, SMALL, [prompt], [reply], [0])
    longer, shorter = random_tokens([20, 1], 3)
    beside = grouped(weights, SMALL, [longer, prompt, shorter], [longer, reply, shorter], [0, 1, 2])
    mine = slice(len(longer), len(longer) + len(reply))
    torch.testing.assert_close(beside[mine], alone, atol=1e-5, rtol=1e-5)


def test_gradient_of_a_group_is_the_sum_over_its_rows():
    prompts, replies, owner = random_tokens([3, 6]), random_tokens([4, 2, 5], 1), [0, 1, 1]

    def gradient(rows):
        weights = {k: v.clone().requires_grad_() for k, v in wild(SMALL).items()}
        for part in rows:
            out = grouped(weights, SMALL, *part)
            out.log_softmax(-1)[:, 7].sum().backward()
        return torch.cat([v.grad.ravel() for v in weights.values()])

    together = gradient([(prompts, replies, owner)])
    apart = gradient([([prompts[o]], [r], [0]) for r, o in zip(replies, owner, strict=True)])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_size_and_names_are_llamas():
    weights = model.initial(ALL, 0)
    d, f = 64, 176
    # embedding 67 x 64; per layer qkv 3 x 64^2, out 64^2, gate, up and down 3 x 64 x 176, two
    # norms; a last norm: 4288 + 2 (4 x 4096 + 33792 + 128) + 64 = 104960
    assert sum(v.numel() for v in weights.values()) == 104_960
    state = model.llama_state(weights, ALL)
    shapes = {name: tuple(v.shape) for name, v in state.items()}
    at = "model.layers.1."
    wanted = {
        "model.embed_tokens.weight": (67, d),
        "lm_head.weight": (67, d),
        "model.norm.weight": (d,),
        at + "input_layernorm.weight": (d,),
        at + "post_attention_layernorm.weight": (d,),
        at + "self_attn.q_proj.weight": (d, d),
        at + "self_attn.k_proj.weight": (d, d),
        at + "self_attn.v_proj.weight": (d, d),
        at + "self_attn.o_proj.weight": (d, d),
        at + "mlp.gate_proj.weight": (f, d),
        at + "mlp.up_proj.weight": (f, d),
        at + "mlp.down_proj.weight": (d, f),
    }
    assert wanted.items() <= shapes.items()
    assert len(shapes) == 3 + 2 * 9
    assert torch.equal(state["lm_head.weight"], weights["embed"])
    assert torch.equal(state[at + "self_attn.k_proj.weight"], weights["1.qkv"][d : 2 * d])
    assert torch.equal(state[at + "mlp.up_proj.weight"], weights["1.gate_up"][f:])


def test_llama_of_transformers_gives_the_same_logits():
    transformers = pytest.importorskip("transformers")
    policy = tiny.load()
    shape = policy.shape
    config = transformers.LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.positions,
        rope_theta=shape.theta,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        pad_token_id=model.PAD,
        bos_token_id=None,
        eos_token_id=model.END,
    )
    theirs = transformers.LlamaForCausalLM(config)
    theirs.load_state_dict(model.llama_state(policy.weights, shape))
    prompt, reply = model.encode("s07393439="), [*model.encode("03334799"), model.END]
    with torch.no_grad():
        whole = theirs.eval()(torch.tensor([prompt + reply])).logits[0]
    found = grouped(policy.weights, shape, [prompt], [reply], [0])
    torch.testing.assert_close(found, whole[len(prompt) - 1 : -1], atol=1e-4, rtol=1e-4)


def test_text_to_tokens_and_back():
    assert model.decode([*model.encode("sAz09=+."), model.END, model.PAD]) == "sAz09=+."
    assert model.encode("") == []
    with pytest.raises(ArgumentError, match=r"got 'ß' in 'straße'.*`compact` prompt"):
        model.encode("straße")
    with pytest.raises(ArgumentError, match="got ' '"):
        model.encode("1 2")


# -- the sampler --------------------------------------------------------------------------------


def draw(weights, shape, prompts, counts, *, limit=8, temperature=1.0, seed=0):
    return sampler.sample(
        weights,
        shape,
        model.ragged(prompts),
        counts=torch.tensor(counts),
        limit=limit,
        temperature=temperature,
        generator=torch.Generator().manual_seed(seed),
    )


def scored(weights, shape, prompts, counts, samples):
    """Log-probability of each row under reply_logits, where padding is never an answer."""
    owner = np.repeat(np.arange(len(prompts)), counts).tolist()
    replies = [
        r[:n] for r, n in zip(samples.tokens.tolist(), samples.lengths.tolist(), strict=True)
    ]
    written = [token for reply in replies for token in reply]
    logits = grouped(weights, shape, prompts, replies, owner)
    logits[:, model.PAD] = -torch.inf
    each = logits.log_softmax(-1).gather(1, torch.tensor(written)[:, None])[:, 0]
    return torch.stack([part.sum() for part in each.split([len(r) for r in replies])])


def eager(shape, seed=0, end=1.0):
    """Wild weights that end replies often, so that rows leave the batch at all times."""
    weights = wild(shape, seed, 2.0)
    weights["embed"][model.END] += end * weights["norm"] / weights["norm"].norm()
    return weights


@pytest.mark.parametrize("counts", [[1], [3, 0, 20, 1, 9], [40, 40], [8, 16, 24]])
def test_replies_have_the_probability_that_the_update_will_see(counts):
    # 8 rows share a table of a prompt's keys: counts of one, of whole tables, of parts of tables
    weights = eager(SMALL)
    prompts = random_tokens([3, 9, 5, 1, 7][: len(counts)])
    samples = draw(weights, SMALL, prompts, counts, limit=12)
    if len(counts) > 1:
        assert len(set(samples.lengths.tolist())) > 4  # rows finished, and the batch shrank
    wanted = scored(weights, SMALL, prompts, counts, samples)
    torch.testing.assert_close(samples.logp, wanted, atol=1e-4, rtol=1e-4)
    for row, n, ended in zip(*(x.tolist() for x in samples[:3]), strict=True):
        assert (row[n - 1] == model.END) == ended
        assert model.END not in row[: n - 1]
        assert model.PAD not in row
        assert ended or n == 12


def test_certainty_is_that_of_the_words_that_can_be_written():
    weights, shape = wild(SMALL, seed=3), SMALL
    prompts = [[1, 2, 3], [4, 5]]
    drawn = sampler.sample(
        weights,
        shape,
        model.ragged(prompts),
        counts=torch.tensor([2, 1]),
        limit=6,
        temperature=0.5,
        generator=torch.Generator().manual_seed(0),
        entropies=True,
    )
    owner = [0, 0, 1]
    for row, reply in enumerate(drawn.tokens):
        length = int(drawn.lengths[row])
        text = [*prompts[owner[row]], *reply[:length].tolist()]
        logits = logits_of(weights, shape, text)[-length - 1 : -1].clone()
        logits[:, model.PAD] = -torch.inf
        p = logits.softmax(-1)
        p = torch.cat([p[:, : model.PAD], p[:, model.PAD + 1 :]], -1)
        # its definition: the sum of u ln(u / p), a mean over tokens
        want = float(((1 / p.shape[1]) * torch.log(1 / (p.shape[1] * p))).sum(-1).mean())
        assert float(drawn.certainty[row]) == pytest.approx(want, rel=1e-4)


def test_same_seed_same_replies():
    weights, prompts = eager(SMALL), random_tokens([4, 6])
    one, two, other = (draw(weights, SMALL, prompts, [5, 5], seed=s) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one.tokens, other.tokens)


def test_temperature_zero_takes_the_likeliest_token():
    weights, prompts = eager(SMALL, end=0.3), random_tokens([4, 6, 2])
    samples = draw(weights, SMALL, prompts, [2, 1, 1], limit=6, temperature=0, seed=3)
    assert torch.equal(
        samples.tokens,
        draw(weights, SMALL, prompts, [2, 1, 1], limit=6, temperature=0, seed=4).tokens,
    )
    assert torch.equal(samples.tokens[0], samples.tokens[1])
    for prompt, row in zip(prompts, samples.tokens[1:].tolist(), strict=True):
        written = []
        while len(written) < 6 and model.END not in written:
            logits = logits_of(weights, SMALL, prompt + written)[-1]
            logits[model.PAD] = -math.inf
            written.append(int(logits.argmax()))
        assert row[: len(written)] == written


def test_no_rows_and_one_token():
    weights, prompts = eager(SMALL), random_tokens([4, 6])
    none = draw(weights, SMALL, prompts, [0, 0])
    assert none.tokens.shape == (0, 8)
    assert len(none.lengths) == len(none.logp) == 0
    one = draw(weights, SMALL, prompts, [3, 50], limit=1)
    assert one.tokens.shape == (53, 1)
    assert one.lengths.tolist() == [1] * 53
    assert one.finished.tolist() == (one.tokens[:, 0] == model.END).tolist()
    wanted = scored(weights, SMALL, prompts, [3, 50], one)
    torch.testing.assert_close(one.logp, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_draws_follow_the_softmax(temperature):
    weights, (prompt,) = eager(SMALL, seed=5), random_tokens([3], 5)
    n = 6000
    found = draw(weights, SMALL, [prompt], [n], limit=2, temperature=temperature)

    # exact probabilities of the first two tokens from the plain loop
    def share(tokens):
        logits = logits_of(weights, SMALL, tokens)[-1]
        logits[model.PAD] = -math.inf
        return torch.softmax(logits / temperature, -1).numpy()

    first = share(prompt)
    top = int(np.argsort(first * (np.arange(len(first)) != model.END))[-1])
    second = share([*prompt, top])
    for got, p in (
        (found.tokens[:, 0].numpy(), first),
        (found.tokens[found.tokens[:, 0] == top, 1].numpy(), second),
    ):
        assert len(got) > 100
        expected = p * len(got)
        big = expected >= 5
        counts = np.bincount(got, minlength=len(p))
        rest = expected[~big].sum()
        observed = np.append(counts[big], counts[~big].sum())
        wanted = np.append(expected[big], rest)
        keep = wanted > 1
        chi = ((observed - wanted)[keep] ** 2 / wanted[keep]).sum()
        # a right sampler exceeds this once in 100,000 seeds; this seed is fixed
        assert chi < stats.chi2.ppf(1 - 1e-5, max(int(keep.sum()) - 1, 1))


# -- checkpoints --------------------------------------------------------------------------------


def test_checkpoints_come_back(tmp_path):
    weights = wild(SMALL)
    policy = tiny.Policy(weights, SMALL, tiny.fingerprint(weights), {"step": 3})
    tiny.save(tmp_path / "full.npz", policy)
    back = tiny.load(tmp_path / "full.npz")
    assert (back.shape, back.version, back.meta) == (SMALL, policy.version, {"step": 3})
    assert all(torch.equal(back.weights[k], v) for k, v in weights.items())
    tiny.save(tmp_path / "half.npz", policy, half=True)
    half = tiny.load(str(tmp_path / "half.npz"))
    assert half.version != policy.version
    for name, value in weights.items():
        assert half.weights[name].dtype == torch.float32
        assert torch.equal(half.weights[name], value.half().float())
    moved = {**weights, "norm": weights["norm"] + 1e-6}
    assert tiny.fingerprint(moved) != policy.version


def rewrite(path, **changes):
    """The shipped start with entries of its file replaced; None drops one."""
    with np.load(tiny.SHIPPED / "start.npz") as archive:
        arrays = {k: archive[k] for k in archive.files}
    for name, value in changes.items():
        arrays[name.replace("_", ".")] = value
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def about(**changes):
    fields = {
        "format": 1,
        "alphabet": model.ALPHABET,
        "shape": ALL.record(),
        "meta": {},
    }
    return np.array(json.dumps(fields | changes))


def test_foreign_files_are_refused_in_one_line(tmp_path):
    at = tmp_path / "x.npz"
    nan = np.full(64, np.nan, np.float32)
    record = ALL.record()
    cases = [
        ({"about": about(format=2)}, "field 'format'.*at most 1.*got 2.*newer"),
        ({"about": about(alphabet="abc")}, "field 'alphabet'"),
        ({"about": None}, "tiny checkpoint"),
        ({"about": np.array("{")}, "tiny checkpoint"),
        ({"about": np.array("[1]")}, "tiny checkpoint"),
        ({"about": np.array('{"format": "x"}')}, "tiny checkpoint"),
        ({"about": about(shape={"breadth": 3})}, "field 'shape'"),
        ({"about": about(shape=record | {"width": 10**9})}, "field 'shape'"),
        ({"about": about(shape=record | {"layers": 10**9})}, "field 'shape'"),
        ({"about": about(shape=record | {"heads": 0})}, "field 'shape'"),
        ({"about": about(shape=record | {"heads": 5})}, "field 'shape'.*5 heads"),
        ({"about": about(shape=record | {"width": "w"})}, "field 'shape'"),
        ({"about": about(shape=[])}, "field 'shape'"),
        ({"about": about(shape=record | {"layers": 3})}, "field '2.*got none"),
        ({"norm": nan}, "field 'norm'.*finite"),
        ({"norm": np.ones(63, np.float32)}, r"field 'norm'.*\(64,\).*\(63,\)"),
        ({"norm": np.array(["a"] * 64)}, "field 'norm'"),
        ({"extra": np.ones(3)}, "field 'extra'"),
        ({"embed": None}, "field 'embed'.*got none"),
        ({"about": np.array({"a": 1}, dtype=object)}, "tiny checkpoint"),  # a pickle
    ]
    for changes, words in cases:
        with pytest.raises(FormatError, match=words) as caught:
            tiny.load(rewrite(at, **changes))
        assert "\n" not in str(caught.value)
    whole = (tiny.SHIPPED / "start.npz").read_bytes()
    broken = bytearray(whole)
    broken[2000:2100] = bytes(100)
    single = BytesIO()
    np.save(single, np.ones(3))
    text = BytesIO()
    with zipfile.ZipFile(text, "w") as archive:
        archive.writestr("about.npy", "hello")
    for raw in (
        b"",
        b"PK\x03\x04",
        b"hello",
        whole[:5000],
        bytes(broken),
        single.getvalue(),
        text.getvalue(),
    ):
        at.write_bytes(raw)
        with pytest.raises(FormatError, match="expected a tiny checkpoint"):
            tiny.load(at)


def test_unknown_names_list_what_is_shipped(tmp_path):
    with pytest.raises(ArgumentError, match=r"one of crowd-1, .*start; did you mean 'held-out'"):
        tiny.load("held-oot")
    # a path that ends in a shipped name is a path, not that name
    with pytest.raises(ArgumentError, match="no checkpoint"):
        tiny.load(tmp_path / "start")


def test_what_is_shipped():
    files = list(tiny.SHIPPED.glob("*.npz"))
    assert sum(f.stat().st_size for f in files) <= 5_000_000
    names = tiny.shipped()
    assert {"start", "held-out"} < set(names)
    assert sum(name.startswith("crowd-") for name in names) >= 8
    policies = [tiny.load(name) for name in names]
    assert len({p.version for p in policies}) == len(names)
    lineage = {name: p.meta["lineage"] for name, p in zip(names, policies, strict=True)}
    crowd = {v for name, v in lineage.items() if name.startswith("crowd")}
    assert not {lineage["held-out"], lineage["start"]} & crowd


def test_checkpoints_can_be_remade(tmp_path, capsys):
    remake = pytest.importorskip("gradatim.solvers.checkpoints.remake")
    stops = [name for names in remake.LINEAGES.values() for name in names.values()]
    assert sorted(stops) == tiny.shipped()
    versions = []
    for name in ("a", "b"):
        remake.warm_up(1, {1: "one", 3: "three"}, tmp_path / name)
        made = [tiny.load(tmp_path / name / f"{stop}.npz") for stop in ("one", "three")]
        assert [p.meta["step"] for p in made] == [1, 3]
        versions.append([p.version for p in made])
    assert versions[0] == versions[1]
    assert versions[0][0] != versions[0][1]
    assert "three: step 3, loss" in capsys.readouterr().err
    lessons = remake.lessons(1, 200)
    assert {p.split for p in lessons} == {"train"}
    assert {p.family for p in lessons} == {"lists", "arithmetic", "sat"}


def test_start_leaves_room_to_learn_at_four_levels_of_each_family():
    policy = tiny.load()
    for family in ("lists", "arithmetic", "sat"):
        asked = gd.generate(family, n=10 * 30, level=range(1, 11), seed=9, split="test")
        samples = tiny.respond(
            policy,
            [model.encode(p.compact) for p in asked],
            np.full(len(asked), 4),
            limit=24,
            temperature=1.0,
            generator=torch.Generator().manual_seed(0),
        )
        solved = np.zeros(10)
        for i, (text, ended) in enumerate(
            zip(tiny.texts(samples), samples.finished.tolist(), strict=True)
        ):
            problem = asked[i // 4]
            solved[problem.level - 1] += ended and gd.check(problem, text).solved
        # attempts on one problem are alike, so the interval is that of the 30 problems alone
        rate = pass_rate(solved / 4, np.full(10, 30))
        inside = (rate.value >= 0.08) & (rate.value <= 0.70)
        # even at the ends of its interval a level has something to learn and something to lose
        sure = (rate.low > 0.01) & (rate.high < 0.9)
        shown = [f"{i + 1}: {v:.2f}" for i, v in enumerate(rate.value)]
        assert (inside & sure).sum() >= 4, f"{family} {shown}"


# -- the solver ---------------------------------------------------------------------------------


def test_a_solver_whose_attempts_are_reused(tmp_path):
    problems = gd.generate("lists", n=20, level=range(1, 6), seed=4)
    made = gd.attempt(problems, solver="tiny", samples=3, run=tmp_path / "run")
    assert (made["requested"], made["made"], made["reused"]) == (60, 60, 0)
    assert made["finished"] + made["truncated"] == 60
    again = gd.attempt(problems, solver="tiny", samples=4, run=tmp_path / "run")
    assert (again["made"], again["reused"]) == (20, 60)
    with Run(tmp_path / "run").ledger() as ledger:
        rows = list(ledger.attempts())
    assert len(rows) == 80
    assert {r.setting.policy for r in rows} == {tiny.load().version}
    assert {r.setting.solver for r in rows} == {"tiny"}
    policy = tiny.load()
    for row in rows[::7]:  # the ledger's log-probability is that of its text
        problem = next(p for p in problems if p.id == row.problem)
        assert row.prompt_tokens == len(problem.compact)
        reply = model.encode(row.text) + [model.END] * (row.status == "finished")
        assert row.tokens == len(reply)
        prompt = [model.encode(problem.compact)]
        logits = grouped(policy.weights, policy.shape, prompt, [reply], [0])
        logits[:, model.PAD] = -torch.inf
        wanted = logits.log_softmax(-1).gather(1, torch.tensor(reply)[:, None]).sum()
        assert row.logp == pytest.approx(float(wanted), abs=1e-3)
    # another temperature is another setting: nothing of the first is reused
    greedy = gd.attempt(problems, solver="tiny", samples=1, run=tmp_path / "run", temperature=0)
    assert (greedy["made"], greedy["reused"]) == (20, 0)


def test_batches_are_bounded_and_answers_belong_to_their_requests():
    problems = gd.generate("lists", n=12, level=range(1, 5), seed=4)
    solver = open_solver("tiny:crowd-9", rows=10, temperature=0)
    requests = [Request(p, 2, 1 + i % 4) for i, p in enumerate(problems)]
    batches = list(solver.answer(requests))
    assert max(len(b) for b in batches) <= 10
    assert len(batches) > 1
    got = {}
    for reply in (r for b in batches for r in b):
        got.setdefault(reply.request.problem.id, []).append(reply)
    for request in requests:
        replies = got[request.problem.id]
        assert [r.sample for r in replies] == list(range(2, 2 + request.n))
        # greedy answers do not depend on who shares the batch
        alone = next(iter(solver.answer([request._replace(n=1)])))
        assert {r.text for r in replies} == {alone[0].text}
    assert list(solver.answer([])) == []


def test_bad_requests_are_one_line():
    solver = open_solver("tiny")
    bare = Problem(id="a1", prompt="What is 1+1?", answer="2")
    with pytest.raises(ArgumentError, match=r"problem a1 \(from a file\) has no compact prompt"):
        list(solver.answer([Request(bare, 0, 1)]))
    long = Problem(id="a2", prompt="", answer="2", compact="1" * 110)
    with pytest.raises(ArgumentError, match="need 134 positions, the policy has 128"):
        list(solver.answer([Request(long, 0, 1)]))
    with pytest.raises(ArgumentError, match="`temperature`"):
        open_solver("tiny", temperature=-1)
    with pytest.raises(ArgumentError, match="`limit`"):
        open_solver("tiny", limit=0)
    with pytest.raises(ArgumentError, match="no checkpoint 'nothing'"):
        open_solver("tiny:nothing")
