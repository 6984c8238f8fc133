import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.markers import (
    Dropped,
    Marked,
    drop_markers,
    mark_lessons,
    read_markers,
    write_markers,
)

KINDS = {"difficulty": "EH", "length": "SL"}


@given(
    difficulty=st.sampled_from(["", "E", "H"]),
    length=st.sampled_from(["", "S", "L"]),
    text=st.text("0123456789.=ES", max_size=8),
)
def test_what_was_written_is_read(difficulty, length, text):
    given = {"difficulty": difficulty, "length": length}
    markers = {name: value for name, value in given.items() if value}
    assert read_markers(write_markers(markers, text), KINDS) == Marked(markers, text)


@pytest.mark.parametrize("text", ["", "123", "X.1", "EE.1", "EH.1", "E1.2", "1.2"])
def test_other_texts_have_no_markers(text):
    assert read_markers(text, KINDS) == Marked({}, text)


def test_drops_by_hand_and_by_share():
    lessons = ["a", "b", "c"], ["1", "2", "3"], [{"difficulty": "E", "length": "S"}] * 3
    dropped = Dropped(np.array([0, 1, 0], bool), np.array([[1, 0], [1, 1], [0, 0]], bool))
    asked, said = mark_lessons(*lessons, dropped)
    assert asked == ["E.a", "b", ".c"]  # the last is marked, and all is left to be inferred
    assert said == ["ES.1", "2", "ES.3"]
    assert mark_lessons([], [], [], drop_markers(0, 2, rng=np.random.default_rng(0))) == ([], [])
    found = drop_markers(20_000, 2, rng=np.random.default_rng(0), plain=0.2, each=0.4)
    assert found.plain.mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_allclose(found.shown.mean(axis=0), 0.6, atol=0.02)


def test_mistakes_are_named():
    rng = np.random.default_rng(0)
    some = drop_markers(1, 1, rng=rng)
    with pytest.raises(ArgumentError, match="`plain` must lie"):
        drop_markers(1, 1, rng=rng, plain=np.nan)
    with pytest.raises(ArgumentError, match="`n_lessons` must be a whole number"):
        drop_markers(1.5, 1, rng=rng)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="marker 'length' must be one character"):
        write_markers({"length": "long"}, "a")
    with pytest.raises(ArgumentError, match=r"other than '\.', got '\.'"):
        write_markers({"length": "."}, "a")
    with pytest.raises(ArgumentError, match="must not hold a character twice"):
        read_markers("a", {"one": "E", "two": "E"})
    with pytest.raises(ArgumentError, match="every lesson must have the markers"):
        mark_lessons(["a", "b"], ["1", "2"], [{"x": "E"}, {"y": "E"}], some)
    with pytest.raises(ArgumentError, match="`replies` must be one for each of 1 prompts"):
        mark_lessons(["a"], [], [{"x": "E"}], some)
    with pytest.raises(ArgumentError, match="`dropped` must know 2 markers"):
        mark_lessons(["a"], ["1"], [{"x": "E", "y": "S"}], some)
