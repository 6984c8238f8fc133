"""The kinds of solvers that come with gradatim: a table, without opening any of them."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of solver: where it lives, how its spec looks, what it needs installed."""

    where: str
    form: str
    doc: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    inner: tuple[str, ...] = ()  # of a controller: what its solvers are called
    counted: bool = False  # whether its name carries a number
    certainty: bool | None = None  # whether replies carry self-certainty; None is unknown
    logp: bool | None = None  # whether they carry a log-probability, if asked for


KINDS: dict[str, Kind] = {
    "tiny": Kind(
        "gradatim.solvers.tiny:open_tiny",
        "tiny | tiny:FILE",
        "the shipped character transformer, or a checkpoint of it",
        ("torch",),
        "tiny",
        certainty=True,
        logp=True,
    ),
    "openai": Kind(
        "gradatim.solvers.endpoint:open_endpoint",
        "openai:MODEL@URL",
        "any OpenAI-compatible server; the key comes from the environment",
        certainty=False,
        logp=True,
    ),
    "hf": Kind(
        "gradatim.solvers.transformers:open_transformers",
        "hf:DIR | hf:FILE.gguf",
        "a language model in this process, by transformers",
        ("torch", "transformers"),
        "hf",
        certainty=True,
        logp=True,
    ),
    "gguf": Kind(
        "gradatim.solvers.gguf:open_gguf",
        "gguf:FILE",
        "a GGUF model file, served on loopback for as long as it is needed",
        ("xllamacpp",),
        "gguf",
        certainty=False,
        logp=True,
    ),
    "sim": Kind(
        "gradatim.solvers.simulated:open_simulated",
        "sim:2pl",
        "a simulated learner of known ability; answers with the gold or a wrong text",
        certainty=False,
        logp=False,
    ),
    "recorded": Kind(
        "gradatim.solvers.recorded:open_recorded",
        "recorded:FILE",
        "answers that were made elsewhere: rows of problem (or prompt) and text",
        certainty=False,
        logp=False,
    ),
    "python": Kind(
        "gradatim.solvers.function:open_function",
        "python:MODULE:FUNCTION",
        "a Python function from a prompt to a text",
        certainty=False,
        logp=False,
    ),
    "best-of": Kind(
        "gradatim.solvers.controllers:best_of",
        "best-of-8(SPEC)",
        "of 8 attempts the one that scores best: by log-probability or a function of yours",
        inner=("solver",),
        counted=True,
    ),
    "vote": Kind(
        "gradatim.solvers.controllers:majority",
        "vote-8(SPEC)",
        "the answer that most of 8 attempts give",
        inner=("solver",),
        counted=True,
    ),
    "certain": Kind(
        "gradatim.solvers.controllers:certain",
        "certain-8(SPEC)",
        "a vote of 8 attempts in which surer ones count more (self-certainty)",
        inner=("solver",),
        counted=True,
    ),
    "route": Kind(
        "gradatim.solvers.controllers:route",
        "route(SPEC, SPEC)",
        "problems believed to be easy to the first solver, the others to the second",
        inner=("easy", "hard"),
    ),
    "stepwise": Kind(
        "gradatim.solvers.stepwise:stepwise",
        "stepwise(SPEC)",
        "arithmetic taken apart, its parts asked one after the other",
        inner=("solver",),
        certainty=False,
        logp=False,
    ),
}
