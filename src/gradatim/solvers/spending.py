"""What requests cost, and budgets that are never exceeded: a request goes only if its most fits.

Requests in flight count at the most that they may cost, until they come back; with an account, on
top of what earlier sessions of the run paid. What a server's `usage` does not say for sure is
counted as high as it can be, and said so.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from gradatim.solvers.account import Account, Paid
from gradatim.solvers.wire import Answered, Fault

MARGIN = 1.2  # tokens of a prompt per byte, over the most that was seen
SLACK = 16  # tokens of a chat template that bytes of a short prompt may not cover
# faults after which the server may have worked, and may charge for it
PERHAPS_PAID = ("timeout", "lost", "not JSON", "not an object", "no choices", "error")


class Cost(NamedTuple):
    """Tokens read and written by one request."""

    prompt: int
    answer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most requests, tokens (read and written) and money; None is no limit.

    Attributes:
        price_in, price_out: money per million tokens read and written.
        trust_usage: `usage` counts all answers of a request that asked for several.
    """

    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    trust_usage: bool = False


class Spending:
    """Counts, and says whether one more request fits.

    Args:
        limits: of all sessions together that use the account.
        account: where it is counted; None is an account of its own.

    >>> spending = Spending(Limits(tokens=100))
    >>> spending.take(Cost(30, 40)), spending.fits(Cost(30, 40))
    (None, False)
    >>> spending.settle(Cost(30, 40), Cost(20, 10)), spending.fits(Cost(30, 40))
    (None, True)
    """

    def __init__(self, limits: Limits, account: Account | None = None) -> None:
        self.limits = limits
        self.account = Account() if account is None else account
        self.requests = 0  # of this session, as `done` is
        self.done = Cost(0, 0)
        self._open = 0  # requests in flight
        self.exact = True
        self.stopped_by = ""
        self._seen = 0.0  # most tokens a byte of a request

    def bound(self, size: int, answers: int, longest: int | None) -> Cost:
        """The most that a request of `size` bytes for so many answers can cost."""
        # a token has at least one byte; once answers came, what they said of prompts is closer
        rate = min(1.0, MARGIN * self._seen) if self._seen else 1.0
        return Cost(int(size * rate) + SLACK, answers * (longest or 0))

    def fits(self, bound: Cost) -> bool:
        """Whether a request may go; if not, `stopped_by` says which limit is in the way."""
        limits = self.limits
        if limits.requests is None and limits.tokens is None and limits.cost is None:
            return True
        paid = self.account.paid
        total = Cost(paid.prompt + bound.prompt, paid.answer + bound.answer)
        self.stopped_by = ""
        if limits.requests is not None and paid.requests >= limits.requests:
            self.stopped_by = "max_requests"
        elif limits.tokens is not None and sum(total) > limits.tokens:
            self.stopped_by = "max_tokens_total"
        elif limits.cost is not None and self.price(total) > limits.cost:
            self.stopped_by = "max_cost"
        return not self.stopped_by

    def affords(self, requests: int, cost: Cost) -> bool:
        """Whether so many requests that cost so much together are within every limit."""
        most = self.limits.requests
        enough = most is None or self.account.paid.requests + requests <= most
        return enough and self.fits(cost)

    def take(self, bound: Cost) -> None:
        """A request goes."""
        self.requests += 1
        self._open += 1
        self.account.add(Paid(1, *bound))

    def settle(self, bound: Cost, cost: Cost) -> None:
        """A request came back."""
        self._open -= 1
        less = Paid(0, cost.prompt - bound.prompt, cost.answer - bound.answer)
        self.account.add(less, later=self._open > 0)
        self.done = Cost(self.done.prompt + cost.prompt, self.done.answer + cost.answer)

    def price(self, cost: Cost) -> float:
        """Money for tokens."""
        limits = self.limits
        return (cost.prompt * limits.price_in + cost.answer * limits.price_out) / 1e6

    def cost(self, got: Answered | Fault, bound: Cost, size: int, asked: int) -> Cost:
        """What a response cost: as the server says where it can be believed, else the most."""
        if isinstance(got, Fault):
            if got.cause not in PERHAPS_PAID:
                return Cost(0, 0)
            self.exact = False
            return bound
        prompt = got.prompt_tokens
        if prompt < 0:
            prompt, self.exact = bound.prompt, False
        elif size:
            self._seen = max(self._seen, prompt / size)
        return Cost(prompt, self._written(got, bound, asked))

    def _written(self, got: Answered, bound: Cost, asked: int) -> int:
        counted = [choice.tokens for choice in got.choices]
        if min(counted) >= 0:
            return sum(counted)
        if self.limits.trust_usage and got.answer_tokens >= 0:
            return got.answer_tokens
        self.exact = False
        longest = bound.answer // asked if bound.answer else 10**9
        texts = (len((choice.text or "").encode()) + 1 for choice in got.choices)  # and an end mark
        return max(got.answer_tokens, sum(min(longest, size) for size in texts))

    def report(self) -> dict[str, Any]:
        """Requests, tokens and money of this session, and what earlier ones paid.

        `exact` is False where tokens are at most these.
        """
        priced = bool(self.limits.price_in or self.limits.price_out)
        before = self.account.before
        return {
            "requests": self.requests,
            "prompt_tokens": self.done.prompt,
            "answer_tokens": self.done.answer,
            **({"cost": self.price(self.done)} if priced else {}),
            "exact": self.exact,
            **(
                {"requests_before": before.requests, "tokens_before": sum(before[1:])}
                if before.requests
                else {}
            ),
        }
