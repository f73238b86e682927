"""Every splitter that ships against scikit-learn's own objects, and what data cannot give."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, PredefinedSplit, StratifiedGroupKFold, TimeSeriesSplit

from tune_app.data import Data
from tune_app.data.bundled import load_bundled
from tune_app.errors import StudyError
from tune_app.parts.shipped_splitters import SPLITTERS
from tune_app.parts.splits import Split, build_splits
from tune_app.parts.splitters import build_data_splits, find_alike_replicates

Pairs = list[tuple[NDArray[Any], NDArray[Any]]]
BY_GROUPS = ("group", "stratified-group", "leave-one-group-out")
FOLDS = 5


@pytest.fixture(scope="module")
def patients() -> Data:
    """`breast_cancer` as of 97 patients with unlike numbers of samples, 5 clinics, folds in two ways and days."""
    data, draw = load_bundled("breast_cancer"), np.random.default_rng(5)
    patient = np.array([f"p{number:02}" for number in draw.geometric(0.03, len(data)) % 97])
    groups = {"patient": patient, "clinic": draw.integers(5, size=len(data)) * 10}
    folds = np.stack([draw.integers(-1, FOLDS, len(data)) for _ in range(2)])
    return replace(data, groups=groups, folds=folds, time=draw.permutation(len(data)) // 3)


@pytest.fixture(scope="module")
def iris() -> Data:
    return load_bundled("iris")


@pytest.fixture(scope="module")
def sample(patients: Data) -> NDArray[np.int64]:
    """Some 400 of the positions, sorted: a limit on the samples."""
    return np.sort(np.random.default_rng(1).permutation(len(patients))[:400])


def column_for(splitter: str) -> str | None:
    return {"leave-one-group-out": "clinic"}.get(splitter, "patient") if splitter in BY_GROUPS else None


def everything(data: Data) -> NDArray[np.int64]:
    return np.arange(len(data))


def assert_same(splits: tuple[Split, ...], expected: Pairs) -> None:
    assert [split.fold for split in splits] == list(range(len(expected)))
    for split, (train, validation) in zip(splits, expected, strict=True):
        np.testing.assert_array_equal(split.train, train)
        np.testing.assert_array_equal(split.validation, validation)
        assert split.train.dtype == split.validation.dtype == np.int64


def spell_partition(splits: tuple[Split, ...]) -> set[tuple[int, ...]]:
    return {tuple(sorted(split.validation.tolist())) for split in splits}


@pytest.mark.parametrize("splitter", sorted(SPLITTERS))
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_parts_are_disjoint_and_lie_in_the_sub_sample(
    patients: Data, sample: NDArray[np.int64], splitter: str, seed: int
) -> None:
    splits = build_data_splits(patients, sample, FOLDS, splitter, column_for(splitter), seed)
    assert len(splits) == FOLDS
    for split in splits:
        parts = np.concatenate([split.train, split.validation])
        assert len(np.unique(parts)) == len(parts)
        assert parts.min() >= 0
        assert parts.max() < len(sample)
        assert len(parts) == len(sample) or splitter == "forward"
    held = np.concatenate([split.validation for split in splits])
    assert len(np.unique(held)) == len(held)
    assert len(held) == len(sample) or splitter in ("forward", "predefined")


@pytest.mark.parametrize("splitter", ["kfold", "stratified"])
@pytest.mark.parametrize("name", ["digits", "iris", "breast_cancer"])
@pytest.mark.parametrize("limit", [None, 120])
def test_kfold_and_stratified_are_those_that_records_were_made_with(
    splitter: str, name: str, limit: int | None
) -> None:
    data = load_bundled(name)  # type: ignore[arg-type]
    positions = np.sort(np.random.default_rng(0).permutation(len(data))[:limit])
    for folds, seed in ((2, 0), (4, 3), (3, 4272440596)):
        expected = build_splits(data.targets[positions], folds, splitter, seed)
        found = build_data_splits(data, positions, folds, splitter, None, seed)
        assert_same(found, [(split.train, split.validation) for split in expected])


@pytest.mark.parametrize("splitter", ["kfold", "stratified"])
def test_kfold_and_stratified_refuse_what_they_refused(iris: Data, splitter: str) -> None:
    for folds in (1, 151):
        with pytest.raises(StudyError) as expected:
            build_splits(iris.targets, folds, splitter, 0)
        with pytest.raises(StudyError) as found:
            build_data_splits(iris, everything(iris), folds, splitter, None, 0)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("seed", [0, 7])
def test_group_splitters_give_what_scikit_learns_objects_give(
    patients: Data, sample: NDArray[np.int64], seed: int
) -> None:
    targets, patient, clinic = (a[sample] for a in (patients.targets, *patients.groups.values()))
    objects: dict[str, tuple[Any, NDArray[Any]]] = {
        "group": (GroupKFold(FOLDS, shuffle=True, random_state=seed), patient),
        "stratified-group": (StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed), patient),
        "leave-one-group-out": (LeaveOneGroupOut(), clinic),
    }
    for splitter, (folder, column) in objects.items():
        found = build_data_splits(patients, sample, FOLDS, splitter, column_for(splitter), seed)
        assert_same(found, list(folder.split(targets, targets, column)))


@pytest.mark.parametrize("splitter", BY_GROUPS)
def test_no_group_is_on_both_sides(patients: Data, sample: NDArray[np.int64], splitter: str) -> None:
    name = column_for(splitter)
    column = patients.groups[str(name)][sample]
    for split in build_data_splits(patients, sample, FOLDS, splitter, name, 4):
        assert not set(column[split.train].tolist()) & set(column[split.validation].tolist())


def test_kfold_would_put_a_patient_on_both_sides(patients: Data) -> None:
    """What the group splitters are for: without them the patients of these data are torn apart."""
    column = patients.groups["patient"]
    split = build_data_splits(patients, everything(patients), FOLDS, "kfold", None, 0)[0]
    assert set(column[split.train].tolist()) & set(column[split.validation].tolist())


def test_stratified_group_keeps_the_classes_shares_closer_than_group(patients: Data) -> None:
    share, off = patients.targets.mean(), dict[str, float]()
    for splitter in ("group", "stratified-group"):
        folds = [
            split
            for seed in range(5)
            for split in build_data_splits(patients, everything(patients), FOLDS, splitter, "patient", seed)
        ]
        off[splitter] = float(np.mean([abs(patients.targets[split.validation].mean() - share) for split in folds]))
    assert off["stratified-group"] < off["group"] / 2


def test_groups_may_be_texts_numbers_or_dates(patients: Data) -> None:
    """What counts is which samples share a value, not what the value is."""
    codes = np.unique(patients.groups["patient"], return_inverse=True)[1]
    columns = {"text": patients.groups["patient"], "number": codes * 0.5, "date": codes.astype("datetime64[D]")}
    data = replace(patients, groups=columns)
    for splitter in ("group", "stratified-group"):
        text, number, date = (
            build_data_splits(data, everything(data), FOLDS, splitter, name, 3) for name in ("text", "number", "date")
        )
        assert spell_partition(text) == spell_partition(number) == spell_partition(date)


def test_predefined_folds_are_those_of_the_replicates_row(patients: Data, sample: NDArray[np.int64]) -> None:
    assert patients.folds is not None
    for replicate, row in enumerate(patients.folds):
        found = build_data_splits(patients, sample, FOLDS, "predefined", None, 0, replicate)
        assert_same(found, list(PredefinedSplit(row[sample]).split()))
        assert all(np.isin(np.flatnonzero(row[sample] == -1), split.train).all() for split in found)
    with pytest.raises(StudyError, match="has none of the 2 rows of the data's folds; write replicates: 2 or"):
        build_data_splits(patients, sample, FOLDS, "predefined", None, 0, 2)


def test_one_row_of_predefined_folds_serves_every_replicate(patients: Data) -> None:
    assert patients.folds is not None
    data = replace(patients, folds=patients.folds[0])
    first, second = (
        build_data_splits(data, everything(data), FOLDS, "predefined", None, seed, seed) for seed in (0, 1)
    )
    assert spell_partition(first) == spell_partition(second)


@pytest.mark.parametrize("folds", [2, 5, 9])
def test_forward_is_scikit_learns_split_of_the_samples_in_order_of_time(iris: Data, folds: int) -> None:
    time = np.random.default_rng(2).permutation(len(iris)).astype("datetime64[h]")
    order = np.argsort(time)
    found = build_data_splits(replace(iris, time=time), everything(iris), folds, "forward", None, 0)
    expected = [(np.sort(order[a]), np.sort(order[b])) for a, b in TimeSeriesSplit(folds).split(order)]
    assert_same(found, expected)
    without = build_data_splits(iris, everything(iris), folds, "forward", None, 0)
    assert_same(without, list(TimeSeriesSplit(folds).split(iris.targets)))


def test_forward_never_looks_ahead_and_its_window_grows(patients: Data, sample: NDArray[np.int64]) -> None:
    assert patients.time is not None
    time = patients.time[sample]
    assert len(np.unique(time)) < len(time), "there must be ties for this to be a test of them"
    before: set[int] = set()
    for split in build_data_splits(patients, sample, FOLDS, "forward", None, 0):
        assert time[split.train].max() < time[split.validation].min()
        assert before <= set(split.train.tolist())
        before = {*split.train.tolist(), *split.validation.tolist()}
    assert before == set(range(len(sample)))


def _refusals(patients: Data, iris: Data) -> list[tuple[Data, int, str, str | None, str]]:
    mixed = replace(iris, groups={"few": np.arange(150) % 3, "one": np.zeros(150, np.int64)})
    rare = replace(iris, groups={"leaf": np.where(iris.targets == 1, 200 + np.arange(150) % 3, np.arange(150))})
    numbers = replace(load_bundled("diabetes"), groups={"ward": np.arange(442) % 9})
    labels = np.stack([iris.targets != 0, iris.targets != 1], axis=1).astype(np.uint8)
    several = replace(iris, targets=labels, classes=("petal", "sepal"), groups={"leaf": np.arange(150)})
    return [
        (iris, 5, "stratfied", None, "'stratfied'; did you mean 'stratified'"),
        (patients, 5, "group", "pateint", "'pateint'; did you mean 'patient'.*patient, clinic"),
        (patients, 5, "kfold", "pateint", "'pateint'; did you mean 'patient'"),
        (iris, 5, "group", None, "no column of groups; write groups: patient in the definition of an npz or a table"),
        (patients, 5, "group", None, "name the column to keep together; choose from patient, clinic"),
        (mixed, 5, "group", "few", "5 folds of 3 groups of few; choose from 2 to 3"),
        (mixed, 2, "stratified-group", "one", "there are 1 groups of one, and splits need 2"),
        (mixed, 1, "group", "few", "1 folds of 3 groups of few; choose from 2 to 3"),
        (rare, 5, "stratified-group", "leaf", "class versicolor is in 3 of the groups, for 5 folds; .*2 to 3"),
        (iris, 51, "stratified", None, "51 folds of 50 images of the rarest class; choose from 2 to 50"),
        (numbers, 5, "stratified", None, "targets are numbers, and one class.*write splitter: kfold"),
        (numbers, 5, "stratified-group", "ward", "targets are numbers.*write splitter: group"),
        (several, 5, "stratified", None, "targets are sets of labels.*write splitter: kfold"),
        (several, 5, "stratified-group", "leaf", "targets are sets of labels.*write splitter: group"),
        (patients, 4, "leave-one-group-out", "clinic", "4 folds that each leave one of 5 .*write folds: 5"),
        (mixed, 1, "leave-one-group-out", "one", "there are 1 groups of one, and splits need 2"),
        (iris, 5, "predefined", None, "the data have no folds; let the loader give some"),
        (patients, 4, "predefined", None, "4 folds are asked for, and the samples have 5; write folds: 5"),
        (replace(iris, time=np.arange(150) % 5), 5, "forward", None, "5 forward folds of 5.*from 2 to 4"),
        (iris, 1, "forward", None, "1 forward folds of 150 moments; choose from 2 to 149"),
        (replace(iris, time=np.arange(150) % 2), 2, "forward", None, "2 moments; 3 moments are the fewest"),
        (replace(iris, folds=np.zeros(150, np.int64)), 1, "predefined", None, "its training part is empty"),
    ]


def test_what_the_data_cannot_give_is_refused_with_a_remedy(patients: Data, iris: Data) -> None:
    for data, folds, splitter, groups, sentence in _refusals(patients, iris):
        with pytest.raises(StudyError, match=sentence):
            build_data_splits(data, everything(data), folds, splitter, groups, 0)


def test_every_rare_class_is_named(iris: Data) -> None:
    data = replace(iris, groups={"leaf": np.where(iris.targets > 0, iris.targets, np.arange(150) + 10)})
    with pytest.raises(StudyError) as refusal:
        build_data_splits(data, everything(data), 5, "stratified-group", "leaf", 0)
    assert [problem.split()[1] for problem in refusal.value.problems] == ["versicolor", "virginica"]


def test_a_class_that_no_sample_has_hinders_no_split(patients: Data) -> None:
    data = replace(patients, classes=(*patients.classes, "unseen"))
    for splitter in ("stratified", "stratified-group"):
        found = build_data_splits(data, everything(data), FOLDS, splitter, column_for(splitter), 2)
        expected = build_data_splits(patients, everything(data), FOLDS, splitter, column_for(splitter), 2)
        assert spell_partition(found) == spell_partition(expected)


@pytest.mark.parametrize("splitter", ["kfold", "stratified", "group", "predefined"])
def test_replicates_that_shuffle_are_not_alike(patients: Data, sample: NDArray[np.int64], splitter: str) -> None:
    assert find_alike_replicates(patients, sample, FOLDS, splitter, column_for(splitter), [3, 4]) == ""


@pytest.mark.parametrize("splitter", ["leave-one-group-out", "forward"])
def test_replicates_without_a_seed_are_alike(patients: Data, sample: NDArray[np.int64], splitter: str) -> None:
    found = find_alike_replicates(patients, sample, FOLDS, splitter, column_for(splitter), [3, 4])
    assert found.startswith("replicates 0 and 1 split alike: ")
    assert "write replicates: 1" in found
    assert find_alike_replicates(patients, sample, FOLDS, splitter, column_for(splitter), [3]) == ""


def test_the_same_folds_in_another_order_are_alike(iris: Data) -> None:
    """As many groups as folds: the seed only gives the folds other numbers."""
    sizes = np.repeat(np.arange(4), [60, 45, 30, 15])
    data = replace(iris, groups={"leaf": sizes})
    found = find_alike_replicates(data, everything(data), 4, "group", "leaf", [0, 1, 2])
    first, second = (build_data_splits(data, everything(data), 4, "group", "leaf", seed) for seed in (0, 1))
    assert any(not np.array_equal(a.validation, b.validation) for a, b in zip(first, second, strict=True))
    assert found.startswith("replicates 0 and 1 split alike")


def test_the_first_two_replicates_that_are_alike_are_named(patients: Data) -> None:
    found = find_alike_replicates(patients, everything(patients), FOLDS, "kfold", None, [9, 8, 7, 8])
    assert found.startswith("replicates 1 and 3 split alike")


def test_a_users_function_can_do_what_those_that_ship_do(patients: Data, sample: NDArray[np.int64]) -> None:
    """Each that ships, passed as a user's own is, gives the same splits."""
    shipped: dict[str, Callable[..., Any]] = dict(SPLITTERS)
    for name, function in shipped.items():
        call = patients, sample, FOLDS
        named = build_data_splits(*call, name, column_for(name), 6, 1)
        given = build_data_splits(*call, "mine", column_for(name), 6, 1, function)
        assert_same(given, [(split.train, split.validation) for split in named])
