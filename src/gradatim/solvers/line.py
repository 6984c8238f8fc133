"""How a server is talked to: options that change no answer, checked."""

from dataclasses import dataclass

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.solvers.keys import check_name
from gradatim.solvers.spending import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How the server is talked to; nothing here changes an answer.

    Attributes:
        key: name of the environment variable that holds the key.
        in_flight: most requests at once; fewer while the server refuses or slows down.
        choices: most answers per request (`n`); servers that give fewer are asked one by one.
        timeout, connect, first_byte: seconds for a whole response, for a connection, and until a
            response begins (None: as long as the whole; most servers begin when they are done).
        retries: of what may pass.
        stop_after: faults of one cause in a row that stop the run.
        error_share: of responses, above which the run pauses, and ends where pauses do not help.
        drain: seconds given to requests in flight after Ctrl-C.
        logprobs: ask for log-probabilities, which also give exact token counts.
        max_requests, max_tokens_total, max_cost: budgets of a run over all its sessions: what it
            paid this server before, under whatever settings, counts too. It stops before one is
            exceeded, requests in flight counted at their most, as those are that a kill cut off.
            Tokens are those read and written, money is theirs at today's prices. Of a solver that
            is opened without a run: of as long as it is open.
        price_in, price_out: money per million tokens read and written.
        trust_usage: the server's `usage` counts all answers of a request, not one of them.
        probe: ask first whether the server honours what the run needs; see engine.doctor_endpoint.
        scope: with it, requests repeated after a crash carry the same Idempotency-Key.
        account: file in which what is spent is kept from one session to the next; a run names its
            own.
    """

    key: str = "OPENAI_API_KEY"
    in_flight: int = 16
    choices: int = 8
    timeout: float = 600.0
    connect: float = 10.0
    first_byte: float | None = None
    retries: int = 5
    stop_after: int = 8
    error_share: float = 0.5
    drain: float = 10.0
    logprobs: bool = False
    max_requests: int | None = None
    max_tokens_total: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    trust_usage: bool = False
    probe: bool = True
    scope: str = ""
    account: str = ""

    def __post_init__(self) -> None:
        check_name(self.key)
        checks.whole(1, 10_000, in_flight=self.in_flight, choices=self.choices)
        checks.whole(1, 10**9, stop_after=self.stop_after)
        checks.whole(0, 1000, retries=self.retries)
        checks.within(*checks.SHARE, error_share=self.error_share)
        checks.within(1e-3, 10**7, timeout=self.timeout, connect=self.connect)
        checks.within(0, 10**7, drain=self.drain)
        checks.within(*checks.AT_LEAST_0, price_in=self.price_in, price_out=self.price_out)
        for name in ("first_byte", "max_requests", "max_tokens_total", "max_cost"):
            if (value := getattr(self, name)) is not None:
                checks.within(
                    *(checks.POSITIVE if name == "first_byte" else checks.AT_LEAST_0),
                    **{name: value},
                )
        if self.max_cost is not None and not (self.price_in or self.price_out):
            raise ArgumentError(
                "`max_cost` needs the prices: set `price_in` and `price_out`, per million tokens"
            )

    @property
    def limits(self) -> Limits:
        """Its budgets."""
        return Limits(
            requests=self.max_requests,
            tokens=self.max_tokens_total,
            cost=self.max_cost,
            price_in=self.price_in,
            price_out=self.price_out,
            trust_usage=self.trust_usage,
        )
