"""Tables: which columns become what, compared with scikit-learn's encoders, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder

from tune_app.data.checks import check_data
from tune_app.data.model import Data
from tune_app.data.tables import load_table
from tune_app.errors import DataError


@pytest.fixture
def cancer() -> pd.DataFrame:
    """Breast cancer, with texts, bool and groups made from its numbers."""
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.iloc[:, :5].copy()
    table.columns = ["radius", "texture", "perimeter", "area", "smoothness"]
    table["size"] = np.where(table["area"] > 800, "large", np.where(table["area"] > 500, "medium", "small"))
    table["rough"] = table["smoothness"] > 0.1
    table["stage"] = (table["perimeter"] // 40).astype(int) + 7
    table["clinic"] = [f"clinic {index % 7}" for index in range(len(table))]
    table["diagnosis"] = bunch.target_names[bunch.target]
    return pd.DataFrame(table)


def load(folder: Path, table: pd.DataFrame, kind: str = "csv", **arguments: Any) -> Data:
    path = folder / f"table.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    return load_table(path.name, **{"target": "diagnosis"} | arguments, root=folder)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_is_encoded_as_scikit_learn_encodes_it(tmp_path: Path, cancer: pd.DataFrame, kind: str) -> None:
    data = load(tmp_path, cancer, kind, groups=["clinic"], categories=["stage"])
    numbers, coded = list(cancer.columns[:5]), ["size", "rough", "stage"]
    assert data.inputs.shape == (569, 8)
    assert data.inputs.dtype == np.float32
    assert data.categorical == (5, 6, 7)
    np.testing.assert_allclose(data.inputs[:, :5], cancer[numbers].to_numpy(), rtol=1e-6)
    np.testing.assert_array_equal(data.inputs[:, 5:], OrdinalEncoder().fit_transform(cancer[coded]))
    np.testing.assert_array_equal(data.targets, LabelEncoder().fit_transform(cancer["diagnosis"]))
    assert data.classes == ("benign", "malignant")
    assert data.groups["clinic"].tolist() == cancer["clinic"].tolist()
    assert data.groups["clinic"].dtype.kind == "U"
    assert check_data(data, "cancer") == []


def test_both_formats_give_the_same_data(tmp_path: Path, cancer: pd.DataFrame) -> None:
    both = [load(tmp_path, cancer, kind, groups="clinic") for kind in ("csv", "parquet")]
    assert both[0].fingerprint == both[1].fingerprint


def test_the_inputs_that_are_named_are_read_in_their_order(tmp_path: Path, cancer: pd.DataFrame) -> None:
    data = load(tmp_path, cancer, inputs=["size", "area"])
    assert data.categorical == (0,)
    np.testing.assert_allclose(data.inputs[:, 1], cancer["area"], rtol=1e-6)


def test_a_dictionary_of_parquet_is_a_category_by_its_sorted_values(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer["size"] = pd.Categorical(cancer["size"], ["small", "medium", "large", "huge"])
    data = load(tmp_path, cancer, "parquet", inputs=["area", "size"])
    np.testing.assert_array_equal(data.inputs[:, 1:], OrdinalEncoder().fit_transform(cancer[["size"]].astype(str)))
    assert data.categorical == (1,)


def test_columns_of_pandas_that_may_be_missing_are_read_where_nothing_is(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer["stage"] = cancer["stage"].astype("Int64")
    cancer["rough"] = cancer["rough"].astype("boolean")
    data = load(tmp_path, cancer, "parquet", inputs=["stage", "rough"])
    np.testing.assert_array_equal(data.inputs, np.stack([cancer["stage"] * 1.0, cancer["rough"] * 1.0], axis=1))
    assert data.categorical == (1,)


def test_a_target_of_numbers_is_a_regression_unless_the_task_says_otherwise(
    tmp_path: Path, cancer: pd.DataFrame
) -> None:
    data = load(tmp_path, cancer, target="stage", inputs=["area"])
    assert (data.task, data.targets.dtype.name) == ("regression", "float32")
    data = load(tmp_path, cancer, target="stage", inputs=["area"], task="classification")
    assert data.classes == ("8", "9", "10", "11")
    np.testing.assert_array_equal(data.targets, cancer["stage"] - 8)
    data = load(tmp_path, cancer, target=["stage", "texture"], inputs=["area"])
    assert (data.task, data.outputs) == ("regression", 2)


def test_bool_targets_are_classes_or_several_labels(tmp_path: Path, cancer: pd.DataFrame) -> None:
    data = load(tmp_path, cancer, target="rough", inputs=["area"])
    assert (data.task, data.classes) == ("classification", ("False", "True"))
    cancer["wide"] = (cancer["radius"] > 15).astype(int)
    data = load(tmp_path, cancer, target=["rough", "wide"], inputs=["area"], task="multilabel")
    assert (data.task, data.classes, data.targets.dtype.name) == ("multilabel", ("rough", "wide"), "uint8")
    np.testing.assert_array_equal(data.targets, cancer[["rough", "wide"]].to_numpy().astype(int))
    with pytest.raises(DataError, match=r"target 'stage' is \d+ in row 1, counted from 1 below the header; 0 and 1"):
        load(tmp_path, cancer, target=["rough", "stage"], inputs=["area"], task="multilabel")


def test_the_order_of_the_classes_can_be_given(tmp_path: Path, cancer: pd.DataFrame) -> None:
    data = load(tmp_path, cancer, inputs=["area"], classes=["malignant", "benign"])
    np.testing.assert_array_equal(data.targets, cancer["diagnosis"] == "benign")
    with pytest.raises(DataError, match=r"target 'diagnosis' of sample \d+, counted from 0, is 'benign'"):
        load(tmp_path, cancer, inputs=["area"], classes=["malignant", "begnin"])


def test_folds_and_time_are_columns(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer["part"] = np.arange(569) % 4 - 1
    cancer["seen"] = pd.date_range("2020-03-01", periods=569).strftime("%Y-%m-%d")
    for kind in ("csv", "parquet"):
        data = load(tmp_path, cancer, kind, groups="clinic", folds="part", time="seen")
        assert data.inputs.shape[1] == 8
        assert data.folds is not None
        assert data.time is not None
        assert data.folds.tolist() == cancer["part"].tolist()
        np.testing.assert_array_equal(data.time, pd.to_datetime(cancer["seen"]).to_numpy())
        assert check_data(data, "cancer") == []
    with pytest.raises(DataError, match=r"folds 'area' hold other things than whole numbers"):
        load(tmp_path, cancer, inputs=["radius"], folds="area")
    with pytest.raises(DataError, match=r"time 'size' holds neither numbers nor dates"):
        load(tmp_path, cancer, inputs=["radius"], time="size")


def test_missing_values_are_refused_with_each_column_and_its_first_row(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer.loc[[4, 9], "texture"] = np.nan
    cancer.loc[0, "size"] = None
    with pytest.raises(
        DataError, match=r"(?s)'texture' has 2 missing values, .* row 5,.*'size' has 1 missing .* row 1,"
    ):
        load(tmp_path, cancer)
    assert load(tmp_path, cancer, inputs=["area"]).inputs.shape == (569, 1)  # what is not used may be missing


def test_an_unknown_column_is_answered_with_a_near_match(tmp_path: Path, cancer: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"no column 'diagnose'; did you mean 'diagnosis'\?"):
        load(tmp_path, cancer, target="diagnose")
    with pytest.raises(DataError, match=r"(?s)'aera'; did you mean 'area'.*'clinics'; did you mean 'clinic'"):
        load(tmp_path, cancer, inputs=["aera"], groups=["clinics"])


def test_semicolons_are_noticed_and_can_be_said(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer.to_csv(tmp_path / "table.csv", sep=";", index=False)
    with pytest.raises(DataError, match=r"say separator: ';'"):
        load_table("table.csv", "diagnosis", root=tmp_path)
    data = load_table("table.csv", "diagnosis", separator=";", root=tmp_path)
    assert data.fingerprint == load(tmp_path, cancer).fingerprint


def test_numbers_spoilt_by_one_text_do_not_pass_for_categories(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer["texture"] = cancer["texture"].astype(str)
    cancer.loc[6, "texture"] = "?"
    with pytest.raises(DataError, match=r"column 'texture' holds numbers, but '\?' in row 7"):
        load(tmp_path, cancer)
    cancer.loc[6, "texture"] = "1.0"
    with pytest.raises(DataError, match=r"column 'texture' holds numbers, stored as text"):
        load(tmp_path, cancer, "parquet")


def test_texts_that_tell_every_row_apart_are_no_category(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer["name"] = [f"patient {index}" for index in range(569)]
    with pytest.raises(DataError, match=r"column 'name' has another text in each of its 569 rows"):
        load(tmp_path, cancer)


def test_the_index_that_pandas_writes_is_no_input(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer.to_csv(tmp_path / "table.csv")
    with pytest.raises(DataError, match=r"column 1 has no name; .*index=False"):
        load_table("table.csv", "diagnosis", root=tmp_path)


def test_a_named_index_of_parquet_is_a_column(tmp_path: Path, cancer: pd.DataFrame) -> None:
    data = load(tmp_path, cancer.set_index("clinic"), "parquet", groups="clinic")
    assert data.groups["clinic"].tolist() == cancer["clinic"].tolist()


def test_a_target_cannot_be_an_input_and_a_category_must_be_one(tmp_path: Path, cancer: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"'diagnosis' is target and input"):
        load(tmp_path, cancer, inputs=["area", "diagnosis"])
    with pytest.raises(DataError, match=r"categories has 'clinic', which is no input"):
        load(tmp_path, cancer, groups="clinic", categories=["clinic"])


def test_contradictions_of_task_and_target_are_refused(tmp_path: Path, cancer: pd.DataFrame) -> None:
    for arguments, message in (
        ({"task": "regression"}, "target 'diagnosis' holds no numbers; task regression needs them"),
        ({"target": ["diagnosis", "size"]}, "2 targets for a classification"),
        ({"target": "area", "task": "regression", "classes": ["a"]}, "task regression takes none"),
        ({"task": "clasification"}, "did you mean 'classification'"),
        ({"target": []}, "target names no column"),
    ):
        with pytest.raises(DataError, match=message):
            load(tmp_path, cancer, **arguments)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", b"", "cannot be read as a CSV file in UTF-8"),
        ("table.csv", b"a,b\n", "has no rows"),
        ("table.csv", b"a,b\n1,\xff\xfe\n", "cannot be read as a CSV file in UTF-8"),
        ("table.csv", b"a,b\n1,2,3\n4,5,6\n", "more cells than its header"),
        ("table.csv", b"a,b\n1,2\n4,5,6\n", "cannot be read as a CSV file"),
        ("table.parquet", b"PAR1 and then nothing", "cannot be read as a Parquet file"),
        ("table.xlsx", b"", r"choose from \.csv, \.parquet"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_table(name, "b", root=tmp_path)
    with pytest.raises(DataError, match=r"tabel\.csv is missing"):
        load_table("tabel.csv", "b", root=tmp_path)


def test_dates_and_mixtures_are_no_inputs(tmp_path: Path, cancer: pd.DataFrame) -> None:
    cancer["seen"] = pd.date_range("2020-03-01", periods=569)
    with pytest.raises(DataError, match=r"column 'seen' holds dates; name it as time or group"):
        load(tmp_path, cancer, "parquet")
    cancer["seen"] = [b"x", b"y"] * 284 + [b"x"]
    with pytest.raises(DataError, match=r"column 'seen' holds bytes; numbers, bool or texts are needed"):
        load(tmp_path, cancer, "parquet")


def test_scikit_learns_tables_survive_the_way_through_a_file(tmp_path: Path) -> None:
    for bunch, task in ((load_iris(as_frame=True), "classification"), (load_diabetes(as_frame=True), "regression")):
        data = load(tmp_path, bunch.frame, target="target", task=task)
        np.testing.assert_allclose(data.inputs, bunch.data.to_numpy(), rtol=1e-6)
        np.testing.assert_allclose(data.targets, bunch.target.to_numpy(), rtol=1e-6)
        assert data.task == task
        assert data.categorical == ()
