"""The tiny policy as a `transformers` model with a character tokenizer; nothing is downloaded."""

from tokenizers import Tokenizer, decoders, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gradatim.solvers.tiny import Policy
from gradatim.solvers.tiny_model import ALPHABET, END, PAD, llama_state

PAD_NAME, END_NAME = "<pad>", "<end>"


def model(policy: Policy) -> LlamaForCausalLM:
    """The same network with the same weights, embeddings tied."""
    shape = policy.shape
    config = LlamaConfig(
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
    llama = LlamaForCausalLM(config)
    llama.load_state_dict(llama_state(policy.weights, shape), strict=True)
    return llama


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a character: byte-pair encoding without a merge, joined without spaces."""
    vocabulary = {char: i for i, char in enumerate((*ALPHABET, PAD_NAME, END_NAME))}
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    plain.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token=PAD_NAME,
        eos_token=END_NAME,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
