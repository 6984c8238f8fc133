r"""Mathematical answers: numbers by exact comparison, expressions through math-verify.

Plain numbers never leave this process. Everything else is judged by math-verify (extra [math]) in
one child process: its own time limit is a signal, which only a main thread can have, and sympy
can hang or fill the memory on a few characters. A hang costs the child and one verdict,
`verifier_timeout`; the next question starts a new child. Any thread may ask; they take turns.
"""

import atexit
import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
from typing import Any

from gradatim.checkers import numbers
from gradatim.checkers.extract import UNPARSED, Found, announced, denied, plain
from gradatim.types import Problem, Verdict

LIMIT = 5.0  # seconds for one verdict
START = 60.0  # seconds for a child to import sympy, on a busy machine
LONGEST = 1000  # characters of an expression
WORDS = 12  # of a gold answer; more is a solution, not an answer

_UNJUDGED = Verdict(0.0, False, None, "verifier_error")
_DOLLARS = re.compile(r"\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_PROSE = re.compile(
    r"(?<![\\a-zA-Z{])(?!sqrt|infty|alpha|beta|gamma|theta|sin|cos|tan|log|exp|mod)"
    r"(?:[A-Za-z]{3,}|\b(?:as|at|by|he|if|in|is|it|no|of|on|or|so|to|we)\b)",
    re.IGNORECASE,
)
_CALCULATION = re.compile(r"[\d\s.,()*/^+×÷·−-]+")
_SPACE = re.compile(r"\s+")


def _expression(found: Found) -> str | None:
    """The text of the expression that a reply states; a line of prose states none."""
    text = found.answer
    if not text or len(text) > LONGEST:
        return None
    if found.how == "line":
        marked = list(_DOLLARS.finditer(text))
        if marked:
            stated = next(filter(None, marked[-1].groups()))
            return None if denied(text[: marked[-1].start()]) else stated.strip()
        told = announced(text)
        text = told if told is not None else text
        if _PROSE.search(text):
            return None
    return plain(text) or None


def check(problem: Problem, text: str | None) -> Verdict:
    r"""Whether a reply states what the problem's answer states, in any form.

    Numbers are compared exactly ("0.50" is 1/2, "0.333" is not 1/3) unless the problem's meta
    allows a tolerance; equal texts are equal; the rest is for math-verify.

    >>> problem = Problem(id="1", prompt="?", answer="\\frac{1}{2}", verifier="math")
    >>> check(problem, "It is \\boxed{0.5}.").solved, check(problem, "No idea").reason
    (True, 'unparsed')
    """
    gold = problem.answer.strip()
    if "\n" in gold or len(gold) > LONGEST or len(gold.split()) > WORDS:
        return _UNJUDGED
    found = numbers.search(problem, text)
    if found.answer is None:
        return UNPARSED
    number, value = numbers.parse(gold, percent=True), numbers.stated(found, problem)
    if number is not None and value is not None:
        return _verdict(numbers.close(value, number, problem), str(value))
    told = announced(found.answer) if found.how == "line" else None
    if _squeezed(gold) in (_squeezed(found.answer), _squeezed(told or "")) and _squeezed(gold):
        return _verdict(True, gold)
    stated = _expression(found) or (str(value) if value is not None else "")
    if not any(c.isalnum() for c in stated):
        return UNPARSED
    if number is not None and numbers.says_percent(stated) and not numbers.takes_percent(problem):
        return UNPARSED
    if found.how == "line" and number is not None and _CALCULATION.fullmatch(stated):
        return UNPARSED  # "12 + 7" at the end of a cut reply is no answer, though it has a value
    return _judge(gold, stated)


def _squeezed(text: str) -> str:
    return _SPACE.sub("", plain(text))


def _verdict(right: bool, stated: str) -> Verdict:
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def _judge(gold: str, stated: str) -> Verdict:
    reason = _ask(gold, stated)
    if reason == "correct":
        return Verdict(1.0, True, stated, reason)
    return Verdict(0.0, False, None if reason == "unparsed" else stated, reason)


# -- the child, seen from here ----------------------------------------------------------------

_lock = threading.Lock()
_child: dict[str, Any] = {}  # process, replies, pid of the process that started it


def _pump(process: subprocess.Popen[str], replies: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            replies.put(line)
    replies.put(None)


def _start() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gradatim.checkers.maths_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
    )
    replies: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_pump, args=(process, replies), daemon=True).start()
    _child.update(process=process, replies=replies, owner=os.getpid())
    if replies.get(timeout=START) is None:
        raise RuntimeError("the child of math-verify did not start")


def _stop() -> None:
    process = _child.pop("process", None)
    if process is None or _child.get("owner") != os.getpid():
        return  # a fork's copy: the child belongs to the parent
    process.kill()
    with contextlib.suppress(OSError):
        process.stdin.close()
    process.wait()


def _ask(gold: str, stated: str) -> str:
    """The child's reason; `verifier_timeout` or `verifier_error` where it gives none."""
    with _lock:
        try:
            if _child.get("process") is None or _child["owner"] != os.getpid():
                _child.clear()
                _start()
            _child["process"].stdin.write(json.dumps([gold, stated]) + "\n")
            _child["process"].stdin.flush()
            line = _child["replies"].get(timeout=LIMIT)
        except queue.Empty:
            _stop()
            return "verifier_timeout"
        except (OSError, RuntimeError):
            line = None
        except BaseException:  # interrupted: the reply that is under way must meet no one else
            _stop()
            raise
        if line is None:  # it died: out of memory, say
            _stop()
            return "verifier_error"
        return line.strip()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):  # a fork may copy a lock that another thread holds
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock()))
