"""The key of a server: read from the environment, sent with requests, hidden everywhere else.

A server may give it back: in an error, in a page that shows the request, even in an answer. What
comes in is therefore searched for it before anything else looks at it.
"""

import html
import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from gradatim.errors import ArgumentError

LEAST = 8  # shorter ones are words that servers without keys ask for, such as EMPTY
HIDDEN = "[key]"
SECRET = re.compile(
    "api[_-]?key|authorization|(access|auth)[_-]?token|secret|password|bearer|x[_-]auth"
    "|^(x-)?token$",
    re.IGNORECASE,
)


def read_key(variable: str) -> str:
    """The key in an environment variable; "" where it is not set.

    Raises:
        ArgumentError: what it holds cannot be sent in a header; it is not repeated.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if not (key.isascii() and key.isprintable()):
        raise ArgumentError(
            f"the environment variable {variable} holds what no header can carry: a key is one "
            "line of plain characters"
        )
    return key


def check_name(variable: str) -> None:
    """Refuse a key given where the name of its variable belongs, without repeating it.

    Raises:
        ArgumentError: no name of an environment variable.
    """
    # keys look like names too (gsk_...): capitals are a name, and so is what is set
    if variable and not (re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", variable) or _is_set(variable)):
        raise ArgumentError(
            "`key` must be the name of the environment variable that holds the key, in capitals "
            "unless it is set (what was given is no such name and is not repeated here)"
        )


def _is_set(variable: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", variable) is not None and (
        variable in os.environ
    )


def refuse_keys(body: Any, key: str = "", *, arguments: bool = False) -> None:
    """Refuse a key anywhere in fields of a request, which are kept in the run and the ledger.

    Args:
        body: JSON; fields are judged by their names.
        key: if given, no text may hold it either.
        arguments: the names of `body` are those of a tool's arguments, which may be any.

    Raises:
        ArgumentError: it holds a key; the key is not repeated.

    >>> refuse_keys({"max_tokens": 8, "tools": [{"properties": {"token": {"type": "string"}}}]})
    """
    found = ""
    if isinstance(body, Mapping):
        for name, value in body.items():
            if not arguments and SECRET.search(str(name)):
                found = f" ({name})"
            refuse_keys(value, key, arguments=name == "properties")
    elif isinstance(body, list | tuple):
        for value in body:
            refuse_keys(value, key)
    elif isinstance(body, str) and len(key) >= LEAST and key in body:
        found = " (the one in the environment)"
    if found:
        raise ArgumentError(
            f"`body` must not carry a key{found}: put it in the environment variable "
            "OPENAI_API_KEY (option `key` names another)"
        )


class Hider:
    r"""Replaces a key, in every form in which servers repeat it.

    >>> Hider("sk/a+b-12345")('{"got": "sk\\/a+b-12345"} ?k=sk%2fa%2Bb-12345')
    '{"got": "[key]"} ?k=[key]'
    """

    def __init__(self, key: str) -> None:
        inside = json.dumps(key)[1:-1]
        forms = {key, inside, inside.replace("/", "\\/"), html.escape(key)}
        forms |= {quote(key, safe=""), quote(key), quote_plus(key)}
        longest = sorted((f for f in forms if len(key) >= LEAST), key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest))
        # case matters in no form of an escape, and a key in capitals is a key
        self._text = re.compile(pattern, re.IGNORECASE) if pattern else None
        self._raw = re.compile(pattern.encode(), re.IGNORECASE) if pattern else None

    def __call__(self, text: str) -> str:
        """The text without the key."""
        return text if self._text is None else self._text.sub(HIDDEN, text)

    def raw(self, body: bytes) -> bytes:
        """The same for a body that was not decoded yet."""
        return body if self._raw is None else self._raw.sub(HIDDEN.encode(), body)
