import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.solvers.pace import AGAIN, PAUSES, SEEN, WINDOW, Breaker, Pace


def window(pace, seconds, n=None):
    """A window of answers of this latency, sent now."""
    for _ in range(n or max(pace.limit, WINDOW)):
        pace.answered(seconds, pace.epoch)


def test_a_refusal_halves_once_and_windows_of_answers_raise_it_one_by_one():
    pace = Pace(64)
    sent = pace.epoch
    assert [pace.refused(sent) for _ in range(10)] == [True] + [False] * 9
    assert pace.limit == 32
    path = []
    for _ in range(4):
        window(pace, 1.0)
        path.append(pace.limit)
    assert path == [33, 34, 35, 36]
    assert pace.refused(pace.epoch)
    assert pace.limit == 18


def test_it_never_rises_above_what_was_asked_for_nor_falls_below_one():
    pace = Pace(2)
    for _ in range(5):
        pace.refused(pace.epoch)
    assert pace.limit == 1
    for _ in range(5):
        window(pace, 1.0)
    assert pace.limit == 2


def test_slow_answers_halve_it_and_it_climbs_again_when_that_helped():
    pace = Pace(64)
    window(pace, 1.0)
    window(pace, 2.9)  # less than three times the usual
    assert pace.limit == 64
    window(pace, 9.0)
    assert pace.limit == 32
    window(pace, 1.0)
    assert pace.limit == 33


def test_slow_answers_that_stay_slow_are_long_ones_and_the_limit_comes_back():
    pace = Pace(64)
    window(pace, 1.0)
    window(pace, 9.0)
    assert pace.limit == 32
    window(pace, 9.0)
    assert (pace.limit, pace.usual) == (64, 9.0)
    window(pace, 9.0)
    assert pace.limit == 64


def test_what_was_sent_before_a_change_says_nothing_of_it():
    pace = Pace(64)
    before = pace.epoch
    pace.refused(before)
    for _ in range(1000):
        pace.answered(100.0, before)
    assert (pace.limit, pace.usual) == (32, 0.0)


def test_less_than_a_window_changes_nothing():
    pace = Pace(64)
    pace.refused(pace.epoch)
    window(pace, 1.0, n=31)
    assert pace.limit == 32


@given(st.lists(st.one_of(st.none(), st.floats(0.01, 100)), max_size=30), st.integers(1, 32))
def test_the_limit_stays_within_bounds(events, most):
    pace = Pace(most)
    for event in events:
        if event is None:
            pace.refused(pace.epoch)
        else:
            window(pace, event)
        assert 1 <= pace.limit <= most


# -- the breaker ------------------------------------------------------------------------------


def tell(breaker, causes):
    """Pauses that it asks for, told one response after another."""
    return [pause for cause in causes if (pause := breaker.note(cause, breaker.epoch))]


def test_it_opens_above_its_share_and_not_at_it():
    assert tell(Breaker(0.5), ["503", ""] * 40) == []
    assert tell(Breaker(0.5), ["503", "503", ""] * 14)[:1] == [1.0]


def test_pauses_double_until_it_gives_up():
    breaker = Breaker(0.5)
    responses = SEEN + PAUSES * AGAIN
    assert tell(breaker, ["503"] * responses) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert breaker.gave_up
    assert not breaker.well
    assert breaker.report() == "100 of the last 100 responses were errors (100 x 503)"


def test_good_answers_close_it_and_pauses_start_anew():
    breaker = Breaker(0.5)
    tell(breaker, ["503"] * SEEN)
    assert breaker.opened == 1
    tell(breaker, [""] * AGAIN)
    assert (breaker.opened, breaker.well) == (0, True)
    assert tell(breaker, ["503"] * (SEEN - AGAIN)) == [1.0]


def test_late_errors_do_not_open_it_again():
    breaker = Breaker(0.5)
    before = breaker.epoch
    tell(breaker, ["503"] * SEEN)
    assert [breaker.note("503", before) for _ in range(100)] == [0.0] * 100
    assert breaker.opened == 1


def test_a_share_of_one_never_opens():
    assert tell(Breaker(1.0), ["503"] * 1000) == []


def test_the_report_is_of_what_happened_lately():
    breaker = Breaker(0.5)
    tell(breaker, [""] * 10 * SEEN + ["lost"] * 30 + ["503"] * 10)
    assert breaker.report() == "40 of the last 40 responses were errors (30 x lost, 10 x 503)"


@pytest.mark.parametrize("known", [0, 3, 5])
def test_a_few_errors_are_no_illness(known):
    breaker = Breaker(0.5)
    tell(breaker, ["503"] * known)
    assert breaker.well
