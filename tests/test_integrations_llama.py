"""The tiny policy's weights in transformers' Llama, an implementation that is not ours."""

import pytest
import torch

from gradatim.families.generation import generate
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import END, PAD, encode, llama_state, ragged, reply_logits

SUBJECTS = (("lists", {}), ("arithmetic", {"kind": "chain"}), ("sat", {}))
LENGTHS = range(1, 21)  # of the replies, the end mark included: one of each


@pytest.fixture(scope="module")
def policy():
    return tiny.load("start")


@pytest.fixture(scope="module")
def llama(policy):
    try:
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError:
        pytest.fail('this test needs transformers: pip install "gradatim[trl]"')
    shape = policy.shape
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.width,
            intermediate_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=shape.positions,
            rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": shape.theta},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=END,
            pad_token_id=PAD,
        )
    )
    # strict: every weight of theirs is given, and none of ours is left over
    model.load_state_dict(llama_state(policy.weights, shape), strict=True)
    return model.eval()


def prompts(n):
    each = [
        generate(family, n=n, level=range(1, 11), split="test", **knobs)
        for family, knobs in SUBJECTS
    ]
    return [each[i % len(each)][i].compact for i in range(n)]


@pytest.mark.slow
def test_logits_are_those_of_transformers(policy, llama):
    asked = [encode(text) for text in prompts(len(LENGTHS))]
    noise = torch.Generator().manual_seed(0)
    replies = [[*torch.randint(0, PAD, (n - 1,), generator=noise).tolist(), END] for n in LENGTHS]
    ours = reply_logits(
        policy.weights,
        policy.shape,
        ragged(asked),
        owner=torch.arange(len(asked)),
        replies=ragged(replies),
    )
    with torch.no_grad():
        theirs = [
            # the logits at a token predict the next one; one text at a time, so nothing is padded
            llama(torch.tensor([[*prompt, *reply]])).logits[0, len(prompt) - 1 : -1]
            for prompt, reply in zip(asked, replies, strict=True)
        ]
    assert ours.std() > 1.0  # flat logits would agree whatever the network is
    torch.testing.assert_close(ours, torch.cat(theirs), atol=1e-4, rtol=0.0)


@pytest.mark.slow
def test_greedy_answers_are_those_of_transformers(policy, llama):
    for text in prompts(20):
        prompt = encode(text)
        (ours,) = tiny.texts(
            tiny.respond(
                policy,
                [prompt],
                [1],
                limit=24,
                temperature=0.0,
                generator=torch.Generator(),
            )
        )
        asked = torch.tensor([prompt])
        made = llama.generate(
            asked, attention_mask=torch.ones_like(asked), max_new_tokens=24, do_sample=False
        )
        reply = made[0, len(prompt) :].tolist()
        assert ours == tiny.decode(reply[: reply.index(END)] if END in reply else reply)
