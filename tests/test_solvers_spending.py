import pytest

from gradatim.solvers.spending import SLACK, Cost, Limits, Spending
from gradatim.solvers.wire import Answered, Choice, Fault


def answered(*tokens, prompt=10, usage=-1, text="four"):
    return Answered([Choice(text, "finished", n) for n in tokens], prompt, usage)


def test_what_is_in_flight_counts_at_its_most():
    spending = Spending(Limits(tokens=250))
    bound = Cost(20, 100)
    spending.take(bound)
    assert spending.fits(bound)  # 120 + 120 of 250
    spending.take(bound)
    assert not spending.fits(bound)
    assert spending.stopped_by == "max_tokens_total"
    spending.settle(bound, Cost(10, 30))
    assert not spending.fits(bound)  # 40 done, 120 in flight
    spending.settle(bound, Cost(10, 30))
    assert spending.fits(bound)
    assert spending.report() == {
        "requests": 2,
        "prompt_tokens": 20,
        "answer_tokens": 60,
        "exact": True,
    }


def test_money_is_per_million():
    spending = Spending(Limits(cost=1.0, price_in=2.0, price_out=10.0))
    assert spending.fits(Cost(0, 100_000))
    assert not spending.fits(Cost(1, 100_000))
    assert spending.stopped_by == "max_cost"
    assert spending.price(Cost(500_000, 50_000)) == 1.5


def test_a_prompt_has_at_most_a_token_a_byte_until_answers_say_more():
    spending = Spending(Limits())
    assert spending.bound(400, 2, 50) == Cost(400 + SLACK, 100)
    spending.cost(answered(5, prompt=100), Cost(416, 100), 400, 1)
    # a quarter of a token a byte was seen; a fifth more is allowed for
    assert spending.bound(400, 1, 50) == Cost(120 + SLACK, 50)
    spending.cost(answered(5, prompt=40), Cost(416, 100), 400, 1)
    assert spending.bound(400, 1, 50).prompt == 120 + SLACK


def test_usage_of_one_answer_is_believed_and_of_several_it_is_not():
    spending, bound = Spending(Limits()), Cost(50, 800)
    assert spending.cost(answered(7, usage=7), bound, 40, 1) == Cost(10, 7)
    assert spending.exact
    # four bytes and an end mark each: at most five tokens, whatever usage says of one of them
    assert spending.cost(answered(-1, -1, usage=7), bound, 40, 8) == Cost(10, 10)
    assert not spending.exact
    # and never more than the longest answer
    assert spending.cost(answered(-1, text="x" * 999), bound, 40, 8).answer == 100


def test_usage_of_several_is_believed_when_said_so_or_counted_from_log_probabilities():
    spending = Spending(Limits(trust_usage=True))
    assert spending.cost(answered(-1, -1, usage=7), Cost(50, 800), 40, 8) == Cost(10, 7)
    assert spending.cost(answered(3, 5, usage=3), Cost(50, 800), 40, 8) == Cost(10, 8)
    assert spending.exact


@pytest.mark.parametrize(
    ("cause", "paid"),
    [("timeout", True), ("lost", True), ("not JSON", True), ("connection", False), ("503", False)],
)
def test_a_fault_costs_its_most_where_the_server_may_have_worked(cause, paid):
    spending, bound = Spending(Limits()), Cost(50, 100)
    assert spending.cost(Fault(cause, "", True), bound, 40, 1) == (bound if paid else Cost(0, 0))
    assert spending.exact is not paid


def test_a_prompt_that_is_not_counted_costs_its_most():
    spending = Spending(Limits())
    assert spending.cost(answered(5, prompt=-1), Cost(50, 100), 40, 1) == Cost(50, 5)
    assert not spending.exact


def test_requests_are_counted_as_they_go():
    spending = Spending(Limits(requests=1))
    assert spending.fits(Cost(0, 0))
    spending.take(Cost(0, 0))
    assert not spending.fits(Cost(0, 0))
    assert spending.stopped_by == "max_requests"
