"""Data sets of Hugging Face by the real library: in, out, and the rewards of their rows."""

import pytest

import gradatim
from gradatim.errors import ArgumentError, FormatError, MissingExtra
from gradatim.families.exchange import FORMATS
from gradatim.families.generation import generate
from gradatim.integrations import datasets as ours


@pytest.fixture(scope="module")
def library():
    try:
        import datasets
    except ImportError:
        pytest.fail('this test needs datasets: pip install "gradatim[datasets]"')
    return datasets


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_there_and_back_by_the_library(library, tmp_path, form):
    problems = generate("lists", n=6, level=range(1, 4)) + generate("sat", n=2, level=2)
    made = ours.to_dataset(problems, form)
    assert isinstance(made, library.Dataset)
    assert gradatim.read(made) == problems
    assert gradatim.read(made.to_iterable_dataset()) == problems
    made.select([1, 0, 5]).save_to_disk(tmp_path / "set")
    assert gradatim.read(tmp_path / "set") == [problems[i] for i in (1, 0, 5)]
    made.to_parquet(tmp_path / "set.parquet")
    assert gradatim.read(tmp_path / "set.parquet") == problems
    told = gradatim.attempt(tmp_path / "set", solver="sim:2pl", run=tmp_path / "run")
    assert told["requested"] == 3


@pytest.mark.slow
def test_labels_splits_and_columns_of_the_library(library, tmp_path):
    label = library.ClassLabel(names=["no", "yes"])
    features = library.Features({
        "q": {"text": library.Value("string")},
        "even": label,
    })
    rows = [{"q": {"text": f"Is {k} even?"}, "even": 1 - k % 2} for k in range(4)]
    made = library.Dataset.from_list(rows, features=features)
    asked = {"prompt": "q.text", "answer": "even", "verifier": "text"}
    found = gradatim.read(made, **asked)
    assert [p.answer for p in found] == ["yes", "no", "yes", "no"]
    assert gradatim.read(made.to_iterable_dataset(), **asked) == found
    both = library.DatasetDict(train=made, test=made)
    with pytest.raises(ArgumentError, match="splits train, test"):
        gradatim.read(both, **asked)
    both.save_to_disk(tmp_path / "both")
    with pytest.raises(FormatError, match="splits train, test; name one"):
        gradatim.read(tmp_path / "both", **asked)
    assert gradatim.read(tmp_path / "both" / "test", **asked) == found
    made.to_parquet(tmp_path / "made.parquet")
    assert gradatim.read(tmp_path / "made.parquet", **asked) == found
    with pytest.raises(FormatError, match=r"Dataset\):1: field 'answer'.*columns q, q.text, even"):
        gradatim.read(made, prompt="q.text")


def test_rewards_of_rows_are_those_of_check():
    problems = generate("lists", n=3, level=2)
    trl, verl = (list(ours.export_rows(problems, form)) for form in ("trl", "verl"))
    for problem, row in zip(problems, verl, strict=True):
        for text in (problem.answer, "no idea"):
            expected = gradatim.check(problem, text).reward
            assert ours.compute_score("", text, "", row["extra_info"]) == expected
    texts = [problems[0].answer, "no", [{"role": "assistant", "content": problems[2].answer}]]
    assert ours.score(texts, [row["problem"] for row in trl], id=["a"]) == [1.0, 0.0, 1.0]
    with pytest.raises(ArgumentError, match="gradatim read FILE --to verl"):
        ours.compute_score("openai/gsm8k", "4", "4", {"index": 0})


def test_without_the_library_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r'pip install "gradatim\[datasets\]"'):
        ours.to_dataset([])
