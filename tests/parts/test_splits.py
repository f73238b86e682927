"""Splits and seeds."""

import numpy as np
import pytest

from tune_app.errors import StudyError
from tune_app.parts.splits import build_limit, build_splits
from tune_app.study.seeds import build_seed

LABELS = np.repeat(np.arange(10, dtype=np.uint8), np.arange(11, 21))


@pytest.mark.parametrize("splitter", ["kfold", "stratified"])
@pytest.mark.parametrize("n_splits", [2, 4, 10])
def test_validation_folds_are_disjoint_and_cover(splitter, n_splits: int) -> None:  # type: ignore[no-untyped-def]
    splits = build_splits(LABELS, n_splits, splitter, seed=1)
    validation = np.concatenate([split.validation for split in splits])
    assert sorted(validation.tolist()) == list(range(len(LABELS)))
    for split in splits:
        assert not set(split.train) & set(split.validation)
        assert len(split.train) + len(split.validation) == len(LABELS)


def test_stratified_folds_keep_the_classes_shares() -> None:
    for split in build_splits(LABELS, 5, "stratified", seed=3):
        counts = np.bincount(LABELS[split.validation], minlength=10)
        assert np.abs(counts - np.arange(11, 21) / 5).max() < 1


def test_splits_depend_on_the_seed_alone() -> None:
    first, again, other = (build_splits(LABELS, 4, "kfold", seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a.train, b.train) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].validation, other[0].validation)


def test_more_folds_than_images_are_refused() -> None:
    with pytest.raises(StudyError, match="156 folds of 155 images; choose from 2 to 155"):
        build_splits(LABELS, 156, "kfold", seed=0)


def test_more_stratified_folds_than_the_rarest_class_has_are_refused() -> None:
    with pytest.raises(StudyError, match="12 folds of 11 images of the rarest class"):
        build_splits(LABELS, 12, "stratified", seed=0)


def test_a_limit_keeps_the_classes_shares_and_repeats_nothing() -> None:
    positions = build_limit(LABELS, 60, seed=5)
    assert len(set(positions.tolist())) == 60
    counts = np.bincount(LABELS[positions], minlength=10)
    assert np.abs(counts - np.arange(11, 21) * 60 / 155).max() <= 1
    assert build_limit(LABELS, None, seed=5).tolist() == list(range(155))


def test_seeds_differ_by_role_replicate_and_fold_and_stay_the_same_for_ever() -> None:
    seeds = {build_seed(s, role, r, f) for s in (0, 1) for role in ("split", "weights") for r in (0, 1) for f in (0, 1)}
    assert len(seeds) == 16
    assert build_seed(0, "split", 0, 0) == 4272440596, "changing this number changes every record ever made"
