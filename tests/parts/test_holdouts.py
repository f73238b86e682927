"""What is carved from a training part, and what held-out parts lack."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tune_app.data import Data
from tune_app.data.bundled import load_bundled
from tune_app.errors import StudyError
from tune_app.parts.splitters import build_data_splits, carve_holdout, find_absent_classes


@pytest.fixture(scope="module")
def patients() -> Data:
    """`breast_cancer` as of some 97 patients with unlike numbers of samples."""
    data, draw = load_bundled("breast_cancer"), np.random.default_rng(5)
    return replace(data, groups={"patient": draw.geometric(0.03, len(data)) % 97})


@pytest.fixture(scope="module")
def iris() -> Data:
    return load_bundled("iris")


def everything(data: Data) -> NDArray[np.int64]:
    return np.arange(len(data))


@pytest.mark.parametrize("groups", [None, "patient"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_a_holdout_and_the_rest_make_up_the_training_part(patients: Data, groups: str | None, share: float) -> None:
    """Within a sub-sample; of whole groups it is nearer to its size than half of the largest group."""
    positions = np.flatnonzero(np.arange(len(patients)) % 4)
    train = build_data_splits(patients, positions, 5, "group", "patient", 0)[2].train
    largest = np.unique(patients.groups["patient"][positions[train]], return_counts=True)[1].max()
    for seed in range(20):
        rest, holdout = carve_holdout(patients, positions, train, share, groups, seed)
        np.testing.assert_array_equal(np.sort(np.concatenate([rest, holdout])), np.sort(train))
        assert abs(len(holdout) - share * len(train)) <= (largest / 2 if groups else 0.5)
        if groups:
            column = patients.groups["patient"][positions]
            assert not set(column[rest].tolist()) & set(column[holdout].tolist())


def test_holdouts_depend_on_the_seed_alone(patients: Data) -> None:
    for groups in (None, "patient"):
        whole = everything(patients)
        first, again, other = (carve_holdout(patients, whole, whole, 0.2, groups, seed)[1] for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("share", [0.07, 0.1, 1 / 3])
def test_the_classes_keep_their_shares_in_a_holdout(share: float) -> None:
    data = load_bundled("digits")
    train = np.flatnonzero((data.targets != 7) | (np.arange(len(data)) % 20 == 0))
    for seed in range(10):
        held = np.bincount(data.targets[carve_holdout(data, everything(data), train, share, None, seed)[1]])
        sizes = np.bincount(data.targets[train])
        assert np.abs(held - share * sizes).max() <= 1.01


def test_every_sample_is_as_likely_to_be_held_out(iris: Data) -> None:
    """One of a class on its own, too. A count over 4,000 seeds is binomial; six standard deviations are allowed."""
    train, seeds = np.arange(49, 150), 4000
    counts, chance = np.zeros(len(iris)), 20 / len(train)
    for seed in range(seeds):
        counts[carve_holdout(iris, everything(iris), train, 0.2, None, seed)[1]] += 1
    allowed = 6 * np.sqrt(seeds * chance * (1 - chance))
    assert np.abs(counts[train] - seeds * chance).max() < allowed


def test_a_regression_and_labels_have_holdouts(iris: Data) -> None:
    numbers = load_bundled("diabetes")
    labels = replace(iris, targets=np.eye(3, dtype=np.uint8)[iris.targets] | 1)
    for data in (numbers, labels):
        rest, holdout = carve_holdout(data, everything(data), everything(data), 0.1, None, 0)
        assert len(holdout) == round(0.1 * len(data))
        assert len(rest) + len(holdout) == len(data)


def test_a_group_larger_than_the_holdout_is_taken_only_if_all_are(iris: Data) -> None:
    data = replace(iris, groups={"leaf": np.repeat([0, 1, 2], [100, 5, 45]), "half": np.repeat([3, 4], [80, 70])})
    whole = everything(data)
    for seed in range(10):
        assert carve_holdout(data, whole, whole, 0.04, "leaf", seed)[1].tolist() == list(range(100, 105))
        assert carve_holdout(data, whole, whole, 0.1, "half", seed)[1].tolist() == list(range(80, 150))
        assert len(carve_holdout(data, whole, whole, 0.99, "half", seed)[0]) in (70, 80)


@pytest.mark.parametrize(
    ("share", "groups", "samples", "sentence"),
    [
        (0.0, None, 150, "0 of the training part; choose a share above 0 and below 1"),
        (1.0, None, 150, "1 of the training part"),
        (float("nan"), None, 150, "nan of the training part"),
        (0.1, None, 4, "0.1 of 4 training samples is 0, and some must be held out"),
        (0.9, None, 4, "0.9 of 4 training samples is 4, .* choose another share"),
        (0.5, "leaf", 50, "has one of the groups of leaf"),
        (0.5, "laef", 150, "no column 'laef'; did you mean 'leaf'"),
    ],
)
def test_a_holdout_that_cannot_be_is_refused(
    iris: Data, share: float, groups: str | None, samples: int, sentence: str
) -> None:
    data = replace(iris, groups={"leaf": np.arange(150) // 50})
    with pytest.raises(StudyError, match=sentence):
        carve_holdout(data, everything(data), np.arange(samples), share, groups, 0)


def test_absent_classes_are_counted_over_the_folds(iris: Data) -> None:
    """Without a shuffle each third of iris is one species; the sentences come from counts by hand."""
    data = replace(iris, groups={"block": np.arange(150) // 30})
    splits = build_data_splits(data, everything(data), 5, "leave-one-group-out", "block", 0)
    assert find_absent_classes(data, everything(data), splits) == [
        "class setosa is absent from the held-out part of 3 of 5 folds",
        "class versicolor is absent from the held-out part of 2 of 5 folds",
        "class virginica is absent from the held-out part of 3 of 5 folds",
    ]


def test_absent_labels_are_counted_and_a_regression_has_none(iris: Data) -> None:
    labels = np.stack([np.arange(150) % 2, np.arange(150) < 40, np.zeros(150)], axis=1).astype(np.uint8)
    data = replace(iris, targets=labels, classes=("odd", "early", "never"), folds=np.arange(150) // 30)
    splits = build_data_splits(data, everything(data), 5, "predefined", None, 0)
    assert find_absent_classes(data, everything(data), splits) == [
        "class early is absent from the held-out part of 3 of 5 folds",
        "class never is absent from the held-out part of 5 of 5 folds",
    ]
    numbers = load_bundled("diabetes")
    splits = build_data_splits(numbers, everything(numbers), 5, "kfold", None, 0)
    assert find_absent_classes(numbers, everything(numbers), splits) == []


def test_stratified_folds_lack_no_class(iris: Data) -> None:
    splits = build_data_splits(iris, everything(iris), 5, "stratified", None, 0)
    assert find_absent_classes(iris, everything(iris), splits) == []
