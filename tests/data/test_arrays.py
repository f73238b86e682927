"""Archives of arrays: what becomes inputs, classes, labels and numbers, and what is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.preprocessing import LabelEncoder

from tune_app.data.arrays import load_npz
from tune_app.data.checks import check_data
from tune_app.errors import DataError


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "scans.npz", **arrays)
    return folder


def test_class_indices_keep_their_values_and_doubles_become_float32(tmp_path: Path) -> None:
    wine = load_wine()
    data = load_npz("scans.npz", root=save(tmp_path, inputs=wine.data, targets=wine.target.astype(np.uint8)))
    assert data.task == "classification"
    assert data.classes == ("0", "1", "2")
    assert data.inputs.dtype == np.float32
    assert data.targets.dtype == np.int64
    np.testing.assert_array_equal(data.targets, wine.target)
    np.testing.assert_allclose(data.inputs, wine.data, rtol=1e-7)
    assert check_data(data, "wine") == []


def test_texts_are_classes_in_their_sorted_order_or_in_the_order_that_is_given(tmp_path: Path) -> None:
    iris = load_iris()
    species = iris.target_names[iris.target]
    data = load_npz("scans.npz", root=save(tmp_path, inputs=iris.data, targets=species))
    np.testing.assert_array_equal(data.targets, LabelEncoder().fit_transform(species))
    assert data.classes == ("setosa", "versicolor", "virginica")
    order = np.array(["virginica", "setosa", "versicolor"])
    data = load_npz("scans.npz", root=save(tmp_path, inputs=iris.data, targets=species, classes=order))
    assert data.classes == tuple(order)
    np.testing.assert_array_equal(order[data.targets], species)


def test_floats_are_a_regression(tmp_path: Path) -> None:
    diabetes = load_diabetes(scaled=False)
    two = np.stack([diabetes.target, diabetes.data[:, 2]], axis=1)
    for targets, outputs in ((diabetes.target, 1), (two, 2)):
        data = load_npz("scans.npz", root=save(tmp_path, inputs=diabetes.data, targets=targets))
        assert (data.task, data.outputs, data.targets.dtype.name) == ("regression", outputs, "float32")
        assert check_data(data, "diabetes") == []


def test_columns_of_zero_and_one_are_several_labels(tmp_path: Path) -> None:
    iris = load_iris()
    large = iris.data > iris.data.mean(axis=0)
    for targets in (large, large.astype(np.int64)):
        data = load_npz("scans.npz", root=save(tmp_path, inputs=iris.data, targets=targets))
        assert (data.task, data.outputs, data.targets.dtype.name) == ("multilabel", 4, "uint8")
        assert check_data(data, "large") == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [("uint8", "uint8"), ("float16", "float32"), ("int16", "float32"), ("bool", "float32"), ("int32", "int64")],
)
def test_inputs_become_one_of_three_types_without_another_value(tmp_path: Path, given: str, kept: str) -> None:
    inputs = np.arange(40).reshape(10, 4).astype(given)
    data = load_npz("scans.npz", root=save(tmp_path, inputs=inputs, targets=np.arange(10) % 2))
    assert data.inputs.dtype == kept
    np.testing.assert_array_equal(data.inputs, inputs)


def test_groups_folds_time_and_the_test_part_are_arrays_by_name(tmp_path: Path) -> None:
    iris = load_iris()
    patient, when = np.arange(150) // 5, np.arange("2024-01", "2024-06", dtype="datetime64[D]")[:150]
    arrays = {"x": iris.data[:120], "y": iris.target[:120], "patient": patient[:120], "part": patient[:120] % 3}
    held_out = {"held_x": iris.data[120:], "held_y": iris.target[120:], "held_patient": patient[120:]}
    root = save(tmp_path, **arrays, **held_out, when=when[:120])
    names = {"groups": ["patient"], "folds": "part", "time": "when", "test": "held_"}
    data = load_npz("scans.npz", "x", "y", **names, root=root)  # type: ignore[arg-type]
    assert data.test is not None
    assert data.classes == data.test.classes == ("0", "1", "2")  # the third is in the last 50 rows alone, mostly
    np.testing.assert_array_equal(data.groups["patient"], patient[:120])
    np.testing.assert_array_equal(data.test.groups["patient"], patient[120:])
    np.testing.assert_array_equal(data.folds if data.folds is not None else [], patient[:120] % 3)
    np.testing.assert_array_equal(data.time if data.time is not None else [], when[:120])
    np.testing.assert_array_equal(data.test.targets, iris.target[120:])
    assert check_data(data, "iris") == []


def test_one_name_of_a_group_needs_no_list(tmp_path: Path) -> None:
    root = save(tmp_path, inputs=np.ones((4, 2)), targets=np.arange(4) % 2, patient=np.arange(4))
    assert list(load_npz("scans.npz", groups="patient", root=root).groups) == ["patient"]


class Planted:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "ran")


def test_objects_are_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    planted = np.array([Planted(tmp_path / "ran"), 1], dtype=object)
    root = save(tmp_path, inputs=planted, targets=np.arange(2))
    with pytest.raises(DataError, match=r"array 'inputs' holds Python objects.*padded"):
        load_npz("scans.npz", root=root)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "scans.npz").write_bytes(pickle.dumps(Planted(tmp_path / "ran")))
    with pytest.raises(DataError, match=r"is no \.npz archive"):
        load_npz("scans.npz", root=root)
    assert not (tmp_path / "ran").exists()


def test_an_unknown_array_is_answered_with_a_near_match(tmp_path: Path) -> None:
    root = save(tmp_path, images=np.ones((4, 2)), targets=np.arange(4))
    with pytest.raises(DataError, match=r"no array 'image'; did you mean 'images'\? choose from images, targets"):
        load_npz("scans.npz", inputs="image", root=root)
    with pytest.raises(DataError, match=r"scan\.npz is missing; did you mean 'scans\.npz'"):
        load_npz("scan.npz", root=root)


def test_a_class_that_is_not_listed_is_named(tmp_path: Path) -> None:
    targets, classes = np.array(["cat", "dog", "dgo"]), np.array(["cat", "dog"])
    root = save(tmp_path, inputs=np.ones((3, 2)), targets=targets, classes=classes)
    with pytest.raises(DataError, match=r"sample 2, counted from 0, is 'dgo'; did you mean 'dog'\?"):
        load_npz("scans.npz", root=root)


def test_integers_that_count_no_classes_are_refused(tmp_path: Path) -> None:
    diabetes = load_diabetes()
    root = save(tmp_path, inputs=diabetes.data, targets=(diabetes.target * 10).astype(int))
    with pytest.raises(DataError, match=r"442 integers up to 3460; .*to predict as floats"):
        load_npz("scans.npz", root=root)


@pytest.mark.parametrize("save_as", [np.savez, np.savez_compressed])
def test_no_byte_that_is_changed_gives_other_data_or_another_error(tmp_path: Path, save_as: Any) -> None:
    iris = load_iris()
    path = tmp_path / "scans.npz"
    save_as(path, inputs=iris.data[:4], targets=iris.target[:4])
    content, expected = path.read_bytes(), load_npz("scans.npz", root=tmp_path).fingerprint
    refused = 0
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            assert load_npz("scans.npz", root=tmp_path).fingerprint == expected
        except DataError:
            refused += 1
    assert refused > len(content) / 3  # the rest are names, times and sizes that numpy does not read


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    root = save(tmp_path, inputs=np.ones((500, 20)), targets=np.arange(500) % 3)
    content = bytearray((root / "scans.npz").read_bytes())
    content[2000] ^= 255
    (root / "scans.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"array 'inputs' is damaged .*write the file again"):
        load_npz("scans.npz", root=root)
    (root / "scans.npz").write_bytes(content[:3000])
    with pytest.raises(DataError, match=r"is no \.npz archive .*numpy\.savez"):
        load_npz("scans.npz", root=root)
    with (root / "scans.npz").open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(DataError, match=r"holds one array"):
        load_npz("scans.npz", root=root)


@pytest.mark.parametrize("inputs", [np.array([["a"], ["b"]]), np.array([[1j], [2]])])
def test_inputs_that_are_no_numbers_are_refused(tmp_path: Path, inputs: np.ndarray[Any, Any]) -> None:
    with pytest.raises(DataError, match="numbers are needed"):
        load_npz("scans.npz", root=save(tmp_path, inputs=inputs, targets=np.arange(2)))


def test_a_number_too_large_for_float32_is_found_by_the_checks(tmp_path: Path) -> None:
    inputs = np.ones((4, 2))
    inputs[3, 1] = 1e300
    data = load_npz("scans.npz", root=save(tmp_path, inputs=inputs, targets=np.arange(4) % 2))
    assert check_data(data, "scans")[0].startswith("scans: inputs have 1 value missing or not finite, the first is inf")
