"""Splitters that users bring: functions, objects and classes; and what is wrong with some."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)

from tune_app.data import Data
from tune_app.data.bundled import load_bundled
from tune_app.errors import StudyError
from tune_app.parts.splits import Split
from tune_app.parts.splitters import build_data_splits, find_alike_replicates, read_split

Pairs = Iterator[tuple[Any, Any]]


@pytest.fixture(scope="module")
def iris() -> Data:
    data = load_bundled("iris")
    groups = {"plant": np.arange(150) % 30, "bed": np.arange(150) // 50}
    return replace(data, groups=groups, folds=np.arange(300).reshape(2, 150) % 5, time=np.arange(150)[::-1])


POSITIONS = np.arange(0, 150, 2)


def build(data: Data, split: Any, folds: int = 3, groups: str | None = None, seed: int = 8) -> tuple[Split, ...]:
    return build_data_splits(data, POSITIONS, folds, "mine", groups, seed, split=split)


def every_nth(data: Data, folds: int, seed: int, step: int = 1) -> Pairs:
    """Every so many samples, with a start of the seed's choice."""
    fold_of = (np.arange(len(data)) // step + seed) % folds
    for fold in range(folds):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def test_a_function_gets_the_folds_the_seed_and_its_arguments(iris: Data) -> None:
    found = build(iris, read_split(every_nth, {"step": 2}), seed=4)
    for split, (train, validation) in zip(found, every_nth(replace(iris), 3, 4, 2), strict=True):
        np.testing.assert_array_equal(split.validation, validation[validation < 75])
        np.testing.assert_array_equal(split.train, train[train < 75])


def test_a_function_gets_the_samples_that_take_part_alone(iris: Data) -> None:
    seen = []

    def look(*, data: Data, folds: int) -> Pairs:
        seen.append(data)
        return every_nth(data, folds, 0)

    build(replace(iris, test=iris), look)
    for array, whole in (
        (seen[0].inputs, iris.inputs),
        (seen[0].targets, iris.targets),
        (seen[0].groups["plant"], iris.groups["plant"]),
        (seen[0].time, iris.time),
    ):
        assert whole is not None
        np.testing.assert_array_equal(array, whole[POSITIONS])
    assert iris.folds is not None
    np.testing.assert_array_equal(seen[0].folds, iris.folds[:, POSITIONS])
    assert seen[0].test is None


def test_an_object_of_scikit_learn_gives_what_it_gives_by_itself(iris: Data) -> None:
    targets, plant = iris.targets[POSITIONS], iris.groups["plant"][POSITIONS]
    objects: list[tuple[Any, str | None]] = [
        (KFold(3), None),
        (StratifiedKFold(3, shuffle=True, random_state=5), None),
        (GroupShuffleSplit(3, test_size=0.2, random_state=1), "plant"),
    ]
    for given, name in objects:
        column = plant if name else None
        for split, (train, validation) in zip(
            build(iris, given, groups=name), given.split(targets, targets, column), strict=True
        ):
            np.testing.assert_array_equal(split.train, train)
            np.testing.assert_array_equal(split.validation, validation)


def make_shuffles(folds: int, seed: int, share: float = 0.25) -> ShuffleSplit:
    return ShuffleSplit(folds, test_size=share, random_state=seed)


def test_a_class_and_a_function_that_makes_an_object_are_splitters(iris: Data) -> None:
    expected = [held for _, held in ShuffleSplit(3, test_size=0.25, random_state=8).split(POSITIONS)]
    of_class = build(iris, read_split(ShuffleSplit, {"n_splits": 3, "test_size": 0.25}))
    of_function = build(iris, read_split(make_shuffles, {}))
    for first, second, held in zip(of_class, of_function, expected, strict=True):
        np.testing.assert_array_equal(first.validation, held)
        np.testing.assert_array_equal(second.validation, held)
    assert all(len(split.validation) == 8 for split in build(iris, read_split(make_shuffles, {"share": 0.1})))


def test_an_object_without_a_random_state_gets_the_seed_and_is_left_as_it_was(iris: Data) -> None:
    given = ShuffleSplit(3)
    first, again, other = (build(iris, given, seed=seed) for seed in (1, 1, 2))
    assert [split.validation.tolist() for split in first] == [split.validation.tolist() for split in again]
    assert [split.validation.tolist() for split in first] != [split.validation.tolist() for split in other]
    assert given.random_state is None
    assert find_alike_replicates(iris, POSITIONS, 3, "mine", None, [1, 2], given) == ""
    fixed = ShuffleSplit(3, random_state=0)
    assert "split alike" in find_alike_replicates(iris, POSITIONS, 3, "mine", None, [1, 2], fixed)


def test_an_object_that_needs_groups_is_told_their_names(iris: Data) -> None:
    assert len(build(iris, LeaveOneGroupOut(), groups="bed")) == 3
    with pytest.raises(StudyError, match=r"splitter mine raised ValueError: .*groups.*name one of plant, bed"):
        build(iris, LeaveOneGroupOut())


def test_a_repeated_splitter_gives_as_many_folds_as_it_has(iris: Data) -> None:
    folder = RepeatedStratifiedKFold(n_splits=2, n_repeats=3)
    assert len(build(iris, folder, folds=6)) == 6
    with pytest.raises(StudyError, match="splitter mine: it gives more than 5 splits for 5 folds"):
        build(iris, folder, folds=5)


def _yielding(*pairs: Any) -> Callable[[], Iterator[Any]]:
    return lambda: iter(pairs)


GOOD = (np.arange(10, 75), np.arange(10))
ONE = np.array([1])


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (_yielding(GOOD), "it gives 1 splits for 2 folds; as many are needed"),
        (lambda: (GOOD for _ in count()), "it gives more than 2 splits for 2 folds"),
        (_yielding(GOOD, ONE), "split 2 of 2: it is no pair; yield .train, validation."),
        (_yielding(GOOD, 5), "split 2 of 2: it is no pair"),
        (_yielding(GOOD, (ONE, ONE, ONE)), "split 2 of 2: it is no pair"),
        (_yielding(GOOD, (ONE, [])), "split 2 of 2: its held-out part is empty"),
        (_yielding((np.array([], int), ONE), GOOD), "split 1 of 2: its training part is empty"),
        (_yielding(GOOD, (ONE, ONE * 75)), "its held-out part holds position 75; 0 to 74 are allowed"),
        (_yielding(GOOD, (-ONE, ONE)), "its training part holds position -1; 0 to 74 are allowed"),
        (_yielding(GOOD, ([1, 2, 2, 2], [5])), "its training part holds position 2 3 times; once is allowed"),
        (_yielding(GOOD, ([1, 2, 3], [4, 3, 2])), "2 of its samples are trained on and held out, the first is 2"),
        (_yielding(GOOD, ([1.0, 2.0], [4])), "its training part is float64; give positions, integers from 0 to 74"),
        (_yielding(GOOD, ([1], np.arange(75) > 9)), "its held-out part is bool; .*numpy.flatnonzero makes positions"),
        (_yielding(GOOD, ([[1]], [2])), r"its training part has shape \(1, 1\); give \(n,\) positions"),
        (_yielding(GOOD, ([[1], [2, 3]], [5])), "its training part is no array; give positions"),
        (lambda: None, "splitter mine raised TypeError: 'NoneType' object is not iterable"),
        (lambda: 1 / 0, "splitter mine raised ZeroDivisionError: division by zero"),
        (lambda wrong: None, "splitter mine raised TypeError: .*'wrong'"),
    ],
)
def test_what_is_wrong_with_a_users_splits_is_said(iris: Data, bad: Any, sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        build(iris, bad, folds=2)


def test_the_users_own_error_is_kept(iris: Data) -> None:
    def fails(data: Data) -> Pairs:
        yield from every_nth(data, 1, 0)
        raise KeyError("no such scanner")

    with pytest.raises(StudyError, match="raised KeyError: 'no such scanner'") as refusal:
        build(iris, fails)
    assert isinstance(refusal.value.__cause__, KeyError)


def test_positions_of_any_integer_type_and_in_any_order_are_taken(iris: Data) -> None:
    pairs: list[tuple[Any, NDArray[Any]]] = [([9, 3, 4], np.array([7, 1], np.uint8)), ((1,), np.array([5], np.uint64))]
    found = build(iris, lambda: iter(pairs), folds=2)
    assert found[0].train.tolist() == [9, 3, 4]
    assert found[0].validation.tolist() == [7, 1]
    assert all(part.dtype == np.int64 for split in found for part in (split.train, split.validation))


def test_splits_that_differ_between_two_calls_are_refused(iris: Data) -> None:
    """Conditions are compared in pairs: each must see the same splits."""

    def unseeded(data: Data, folds: int) -> Pairs:
        order = np.random.default_rng().permutation(len(data))
        for held in np.array_split(order, folds):
            yield np.setdiff1d(order, held), held

    for split in (unseeded, ShuffleSplit(3, random_state=np.random.RandomState(0))):
        with pytest.raises(StudyError, match=r"two calls .* different splits.*numpy.random.default_rng\(seed\)"):
            build(iris, split)


def test_held_out_parts_in_another_order_are_alike(iris: Data) -> None:
    def shuffles_inside(data: Data, folds: int, seed: int) -> Pairs:
        for train, held in every_nth(data, folds, 0):
            yield train, np.random.default_rng(seed).permutation(held)

    found = find_alike_replicates(iris, POSITIONS, 3, "mine", None, [1, 2], shuffles_inside)
    assert found.startswith("replicates 0 and 1 split alike")


def test_no_splitter_sees_the_test_part(iris: Data) -> None:
    seen = []

    def look(data: Data, folds: int) -> Pairs:
        seen.append(data.test)
        return every_nth(data, folds, 0)

    for positions in (np.arange(150), POSITIONS):
        build_data_splits(replace(iris, test=iris), positions, 3, "mine", None, 0, split=look)
    assert seen == [None] * 4, "twice each: a user's splits are drawn twice"
