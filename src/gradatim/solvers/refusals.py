"""What a refusal means, and which setting to change: one line for people.

Servers word the same refusal differently; what decides is the status code, then words that are
common to several of them.
"""

import re

KEY = (
    "set the environment variable {key} to a key that this server takes (option `key` names "
    "another variable)"
)
QUOTA = "the quota is used up: add credit, or use another key, then run the same command again"
OPTION = "change the option that it names (mode, max_tokens, temperature, stop, body ...)"
HINTS = {
    401: KEY,
    402: QUOTA,
    403: KEY,
    400: OPTION,
    404: "check the model's name and the URL",
    405: "check the URL: nothing there takes an HTTP POST",
    422: OPTION,
    429: QUOTA,
}
# (words of the refusal, what to change); the first that fits
SAID: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(words, re.IGNORECASE), hint)
    for words, hint in (
        (r"not a chat model|chat.?template|does not support chat", "set mode=completions"),
        (r"chat model|chat/completions|only supports? chat", "set mode=chat"),
        (
            r"max_completion_tokens",
            'set max_tokens=null and body={"max_completion_tokens": 1024}',
        ),
        (r"context.{0,20}(length|window|size)|too (long|many tokens)", "lower max_tokens"),
        (
            r"model.{0,60}(not (exist|found)|unknown)|(unknown|no such|invalid) model",
            "check the model's name: the spec is openai:MODEL@URL",
        ),
        (r"temperature", "set temperature=null, or to what the server takes"),
        (r"top_p", "set top_p=null, or to what the server takes"),
        (r"logprobs", "set logprobs=false"),
        (r"\bseed\b", "set seed=null"),
        (r"\bstop\b", "set other `stop` texts, or none"),
    )
)
SPENT = re.compile(
    r"insufficient_quota|billing_(hard_limit|not_active)|credit balance", re.IGNORECASE
)


OF_MODEL = re.compile(r'"(message|detail|error)"\s*:\s*"[^"]*\bmodel\b', re.IGNORECASE)


def is_spent(code: int, text: str) -> bool:
    """Whether a 429 is for a quota, which does not come back, and not for a rate, which does.

    "Quota exceeded" alone says neither: some servers call requests per minute a quota.

    >>> is_spent(429, '{"code": "insufficient_quota"}'), is_spent(429, "quota exceeded")
    (True, False)
    """
    return code == 402 or (code == 429 and SPENT.search(text) is not None)


def hint(code: int, text: str, mode: str) -> str:
    """What to change about a request that was refused for good.

    >>> hint(404, "This is a chat model and not supported in the v1/completions", "completions")
    'set mode=chat'
    """
    if code in (400, 404, 422):
        for words, what in SAID:
            if words.search(text) and what != f"set mode={mode}":
                return what
    if code == 404 and OF_MODEL.search(text):  # the path is right, or nobody would speak of models
        return "check the model's name: the spec is openai:MODEL@URL"
    return HINTS.get(code, "")
