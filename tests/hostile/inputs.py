"""What property tests draw: studies with some things wrong, texts of every kind, and how they are tried."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tune_app.errors import TuneAppError
from tune_app.session.options import build_options
from tune_app.session.planning import make_plan
from tune_app.session.session import Session
from tune_app.session.studies import find_study

LONGEST_MESSAGE = 50_000  # characters; every problem is told at once
CONTENT: dict[str, Any] = {
    "name": "small",
    "title": "A study",
    "seed": 1,
    "replicates": 2,
    "data": {"name": "digits", "train_images": 120, "test_images": 60},
    "recipe": {"epochs": 1, "batch_size": 20, "learning_rate": 0.001, "optimizer": "adam", "momentum": 0.9},
    "grid": [
        {"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": 3},
        {"model": ["cnn"], "width": [0.05, 0.1], "regularizer": "none", "folds": [3, 4], "learning_rate": 0.01},
    ],
    "baseline": {"regularizer": "none", "folds": 3},
    "claims": [
        {
            "sentence": "Dropout helps.",
            "levels": {"regularizer": "dropout"},
            "against": {"regularizer": "none"},
            "expect": "higher",
        }
    ],
    "labels": [{"label": "plain", "regularizer": "none"}],
    "metrics": {"primary": "accuracy", "also": ["macro_f1"]},
    "rope": 0.01,
    "inference": "new-images",
}
SCALARS = [
    *(None, True, False, 0, 1, -1, 2, 3, 10**30, -(10**30), 0.5, 1e-320, 1e308, float("inf"), float("nan")),
    *("", " ", "cnn", "none", "digits", "auto", "x" * 500, "../../x", "/etc/passwd", "a\0b", "=1+1", "<script>"),
    *("\\input{x}", "1e-3", "010", "no", "~", "ä😀", "os:system", "nets:build", "tune_app.errors:choices", "[1, 2]"),
]
PIECES = ["\t", "&a [*a]", "!!python/name:os.system", "<<: *x", "{[", "\x00", "\ufeff", ": ", "[" * 3000]
NAMES = [*CONTENT, *CONTENT["data"], *CONTENT["recipe"], *CONTENT["grid"][0], "define", "design", "components", "more"]
scalars = st.one_of(st.sampled_from(SCALARS), st.text(max_size=20), st.integers(), st.floats())
keys = st.one_of(st.sampled_from(NAMES), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(st.one_of(st.integers(), st.booleans(), st.none()), inner, max_size=2),
    ),
    max_leaves=6,
)


def list_places(content: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within the content."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place, *(found for key, value in inner for found in list_places(value, (*place, key)))]


@st.composite
def wrong_contents(draw: Any, content: dict[str, Any]) -> Any:
    """The content with one to three values replaced, removed or added."""
    changed = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(changed, dict) or not changed:
            break
        *way, last = draw(st.sampled_from(list_places(changed)[1:]))
        holder: Any = changed
        for key in way:
            holder = holder[key]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            holder[last] = draw(values)
        elif change == "remove":
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(keys)] = draw(values)
        else:
            holder.append(draw(values))
    return changed


@st.composite
def wrong_texts(draw: Any, text: str) -> str:
    """The text with a part of it doubled, left out or replaced; or another text."""
    if draw(st.integers(0, 9)) == 0:
        return str(draw(st.text(max_size=200)))
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 30)))
    again = text[start:end] * 2
    piece: str = draw(st.one_of(st.sampled_from(["", again, *PIECES]), st.text(max_size=10)))
    return text[:start] + piece + text[end:]


def dump(content: Any) -> str:
    """As a YAML text."""
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def try_each(cases: int, strategy: st.SearchStrategy[Any], attempt: Callable[[Any], Any]) -> None:
    """Make the attempt with so many values, the same ones in every run; what fails is made as small as it can be."""

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def check(value: Any) -> None:
        attempt(value)

    check()


def plan_or_refuse(path: Path, overrides: tuple[str, ...] = (), only: str | None = None) -> str:
    """Plan the study as the command does; what is wrong is a message of ours, and nothing is left behind."""
    message = ""
    before = _list_files(path.parent)
    try:
        runs, results = path.parent / "runs", path.parent / "results"
        options = build_options(only, executor="inline", device="cpu", runs=runs, results=results)
        session = Session(find_study(str(path), overrides), options)
        make_plan(session.study, options, root=session.found.scope.root, measure=False)
    except TuneAppError as error:
        check_message(error)
        message = str(error)
    assert _list_files(path.parent) == before
    return message


def _list_files(folder: Path) -> list[Path]:
    """Without the bytecode that Python leaves beside a module that is imported."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


def check_message(error: TuneAppError) -> None:
    """It says something, in bounded length, that a terminal can show."""
    message = str(error)
    assert message.strip()
    assert len(message) < LONGEST_MESSAGE, message[:500]
    assert "Traceback" not in message
