r"""The child process of the checker "math": reads questions as JSON lines, writes reasons.

math-verify parses LaTeX with a grammar; the plain-text mode, which evaluates, is left out.
"""

import contextlib
import json
import logging
import re
import sys
from typing import Any

MEMORY = 4 << 30  # bytes of address space: libraries alone map a good part of it

_PLAIN = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<!\\)\bsqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<!\\)\b(pi|theta|alpha|beta|infty|sin|cos|tan|log|ln|exp)\b"), r"\\\1"),
    (re.compile(r"\*"), r" \\cdot "),
    (re.compile("π"), r"\\pi "),
    (re.compile("∞"), r"\\infty "),
    (re.compile("√"), r"\\sqrt "),
)


def latex(text: str) -> str:
    r"""Plain notation as LaTeX; LaTeX stays as it is.

    >>> latex("2*sqrt(3)**2 + pi")
    '2 \\cdot \\sqrt{3}^2 + \\pi'
    """
    for pattern, new in _PLAIN:
        text = pattern.sub(new, text)
    return text


def judge(gold: str, stated: str) -> str:
    """Reason for one pair: correct, wrong, unparsed, or verifier_error where the gold is none."""
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig(boxed_match_priority=0)]

    def read(text: str) -> Any:
        return parse(
            f"\\boxed{{{latex(text)}}}",
            config,
            fallback_mode="no_fallback",
            parsing_timeout=None,  # pyright: ignore[reportArgumentType]
        )

    right, answer = read(gold), read(stated)
    if not right:
        return "verifier_error"
    if not answer:
        return "unparsed"
    return "correct" if verify(right, answer, timeout_seconds=None) else "wrong"


def serve() -> None:
    """Answer until the parent closes the pipe."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    out, sys.stdout = sys.stdout, sys.stderr
    import math_verify  # noqa: F401 - paid for before the first question is timed

    out.write("ready\n")
    out.flush()
    for line in sys.stdin:
        try:
            reason = judge(*json.loads(line))
        except (Exception, RecursionError):
            reason = "verifier_error"
        out.write(reason + "\n")
        out.flush()


if __name__ == "__main__":
    serve()
