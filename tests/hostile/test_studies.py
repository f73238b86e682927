"""Studies with things wrong in them: a plan, or one message that says what is wrong."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.hostile.inputs import (
    CONTENT,
    SCALARS,
    dump,
    keys,
    plan_or_refuse,
    try_each,
    values,
    wrong_contents,
    wrong_texts,
)

FEW_OR_MANY = pytest.mark.parametrize("share", [0.1, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(dump(CONTENT), encoding="utf-8")
    return path


def test_without_mistakes_the_study_is_planned(path: Path) -> None:
    assert plan_or_refuse(path) == ""


LAUGHS = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abc", "bcd", strict=True)
)
LARGE = {
    "ten megabytes": lambda text: text + f"# {'x' * 10**7}",
    "a title of ten megabytes": lambda text: text.replace("A study", "x" * 10**7),
    "a value behind aliases": lambda text: f"a: &a [{', '.join('x' * 10)}]\n{LAUGHS}" + text.replace("A study", "*d"),
    "three thousand entries": lambda text: text + "  x: 1\n" * 3000,
    "a thousand unknown keys": lambda text: text + "".join(f"key{number}: 1\n" for number in range(1000)),
    "a long key": lambda text: text + f"{'x' * 10**5}: 1\n",
    "a long level": lambda text: text.replace("dropout", "x" * 10**5),
    "deep nesting": lambda text: text.replace("A study", "[" * 3000 + "]" * 3000),
    "a number without end": lambda text: text.replace("0.001", "9" * 10**5),
}


@pytest.mark.parametrize("kind", LARGE)
def test_what_is_large_is_refused_in_few_words(path: Path, kind: str) -> None:
    path.write_text(LARGE[kind](dump(CONTENT)), encoding="utf-8")
    assert 0 < len(plan_or_refuse(path)) < 50_000


@pytest.mark.parametrize(
    "override",
    [
        f"recipe.epochs=[{','.join('1' * 5000)}]",
        f"recipe.optimizer={'x' * 10**5}",
        f"{'x' * 10**5}=1",
        f"{'x' * 10**5}.a=1",
        f"name={'x' * 10**5}",
        f"reference={'x' * 10**5}",
        f"title={'[' * 3000}",
    ],
    ids=lambda override: override[:12],
)
def test_an_override_that_is_large_is_refused_in_few_words(path: Path, override: str) -> None:
    assert 0 < len(plan_or_refuse(path, (override,))) < 10_000


@FEW_OR_MANY
def test_a_study_with_wrong_values_is_planned_or_refused(path: Path, share: float) -> None:
    def attempt(content: object) -> None:
        path.write_text(dump(content), encoding="utf-8")
        plan_or_refuse(path)

    try_each(int(120 * share), wrong_contents(CONTENT), attempt)


@FEW_OR_MANY
def test_a_file_with_wrong_text_is_planned_or_refused(path: Path, share: float) -> None:
    def attempt(text: str) -> None:
        path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        plan_or_refuse(path)

    try_each(int(100 * share), wrong_texts(dump(CONTENT)), attempt)


@FEW_OR_MANY
def test_definitions_with_wrong_values_are_planned_or_refused(path: Path, share: float) -> None:
    (path.parent / "nets.py").write_text("def build(*, inputs, outputs, width=8):\n    raise ValueError('no')\n")
    define = {
        "net": {"model": "nets:build", "width": 4, "files": ["nets.py"], "version": 2},
        "share": {"metric": "metrics:share", "better": "higher", "unit": "share", "needs": "labels"},
        "mine": {"data": "npz", "file": "no.npz"},
    }

    def attempt(content: object) -> None:
        path.write_text(dump({**CONTENT, "define": content}), encoding="utf-8")
        plan_or_refuse(path)

    try_each(int(80 * share), st.one_of(wrong_contents(define), values), attempt)


places = st.lists(st.one_of(keys, st.sampled_from(["0", "1", "-1", "99", "x", "٣"])), min_size=1, max_size=4)
texts = st.one_of(st.sampled_from([str(value) for value in SCALARS]), st.text(max_size=20), values.map(dump))
overrides = st.one_of(st.text(max_size=20), st.builds(lambda way, text: f"{'.'.join(way)}={text}", places, texts))


@FEW_OR_MANY
def test_overrides_of_any_kind_are_planned_or_refused(path: Path, share: float) -> None:
    drawn = st.lists(overrides, min_size=1, max_size=3)
    try_each(int(80 * share), drawn, lambda some: plan_or_refuse(path, tuple(some)))


@FEW_OR_MANY
def test_selections_of_any_kind_are_planned_or_refused(path: Path, share: float) -> None:
    pairs = st.builds(lambda key, text: f"{key}={text}", keys, texts)
    drawn = st.one_of(st.text(max_size=20), st.lists(pairs, min_size=1, max_size=3).map(",".join))
    try_each(int(60 * share), drawn, lambda text: plan_or_refuse(path, (), text))
