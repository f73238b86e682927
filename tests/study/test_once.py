"""What is found once: for each source, until it goes; and what a spec keeps beside its fields."""

import gc
import pickle

from tests.builders import build_study
from tune_app.study import Study
from tune_app.study.once import once


def test_it_is_built_once_for_each_source_and_again_for_an_equal_one() -> None:
    asked: list[str] = []

    @once
    def build(study: Study) -> list[str]:
        asked.append(study.name)
        return [study.name]

    first, second = build_study(), build_study()
    assert first == second
    assert build(first) is build(first)
    assert build(second) is not build(first)
    assert asked == ["small", "small"]


def test_what_was_found_goes_with_its_source() -> None:
    found: list[int] = []

    @once
    def build(study: Study) -> int:
        found.append(len(found))
        return found[-1]

    for _ in range(3):  # each may lie where the one before it lay
        assert build(build_study()) == found[-1]
        gc.collect()
    assert len(found) == 3


def test_a_copy_of_a_spec_has_an_id_and_a_condition_of_its_own() -> None:
    spec = build_study().grid_trials()[0].spec
    assert spec.condition["folds"] == 3  # kept from now on, as its id
    other = spec.model_copy(update={"folds": 5})
    assert other.id != spec.id
    assert other.condition["folds"] == 5
    assert spec.model_copy().id == spec.id


def test_a_changed_condition_is_no_change_of_the_spec() -> None:
    spec = build_study().grid_trials()[0].spec
    spec.condition["folds"] = 7
    assert spec.condition["folds"] == 3


def test_a_spec_travels_without_what_follows_from_it() -> None:
    spec = build_study().grid_trials()[0].spec
    fresh = len(pickle.dumps(spec))
    assert spec.id
    assert spec.condition
    assert len(pickle.dumps(spec)) == fresh
    arrived = pickle.loads(pickle.dumps(spec))  # noqa: S301  # our own
    assert arrived == spec
    assert arrived.id == spec.id
