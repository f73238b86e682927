"""What readers see of a user's study with several metrics, of a regression, and of scores that are undefined."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference

from tests.own_study import OwnStudy
from tune_app.export.rounding import format_estimate, format_number
from tune_app.study.metrics import find_bounds, find_loss_unit

PROGRESSION = """
import numpy as np
from sklearn.datasets import load_diabetes

from tune_app import Data


def load():
    found = load_diabetes()
    return Data(found.data[:120].astype(np.float32), (found.target[:120] / 100).astype(np.float32))
"""
ONE_SIDED = """
import numpy as np
from sklearn.datasets import load_breast_cancer

from tune_app import Data


def load():
    found = load_breast_cancer()
    targets = found.target[:200].astype(np.int64)
    folds = np.arange(200) % 3
    folds[(folds == 1) & (targets == 1)] = 2  # of the second fold no sample is benign
    return Data(found.data[:200].astype(np.float32), targets, ("malignant", "benign"), folds=folds)
"""
Cells = dict[str, str]


def read_table(document: str, title: str) -> list[Cells]:
    """The rows of the Markdown table below a heading that begins so, by the titles of their columns."""
    lines = document.partition(f"## {title}")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def run(path: Path, files: dict[str, str] | None = None, **keys: Any) -> Path:
    """The results folder of the study, which has been run."""
    study = OwnStudy(path, files, **{"define": {"share": None}, "replicates": 2, **keys})
    assert study.run() == 0
    return path / "results" / "own"


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01}
    metrics = {"primary": "macro_f1", "also": ["auroc", "accuracy"]}
    return run(tmp_path_factory.mktemp("several"), metrics=metrics, recipe=recipe)


def read_outputs(results: Path, replicate: int) -> list[tuple[Any, Any]]:
    """Targets and outputs of each fold, as they were kept beside the records."""
    runs = results.parent.parent / "runs" / "own"
    files = sorted(runs.glob(f"outputs/*-r{replicate}-*/fold-*.npz"))
    return [(arrays["targets"], arrays["outputs"].astype(np.float64)) for arrays in map(np.load, files)]


def test_each_metric_has_its_mean_and_where_it_does_not_average_its_pooled_value_as_scikit_learn_has_them(
    several: Path,
) -> None:
    (row,) = read_table((several / "table.md").read_text(), "Metrics")
    assert list(row) == [
        *("row", "macro f1 (share)", "macro f1, pooled", "auroc (share)", "auroc, pooled", "accuracy (share)"),
    ]
    parts = [read_outputs(several, replicate) for replicate in (0, 1)]
    wholes = [tuple(map(np.concatenate, zip(*folds, strict=True))) for folds in parts]

    def f1(targets: Any, outputs: Any) -> float:
        return float(reference.f1_score(targets, outputs.argmax(1), average="macro"))

    def area(targets: Any, outputs: Any) -> float:
        return float(reference.roc_auc_score(targets, outputs[:, 1] - outputs[:, 0]))

    for name, score in (("macro f1", f1), ("auroc", area)):
        mean = np.mean([score(*fold) for folds in parts for fold in folds])
        pooled = np.mean([score(*whole) for whole in wholes])
        for title, value in ((f"{name} (share)", mean), (f"{name}, pooled", pooled)):
            decimals = len(row[title].partition(".")[2])
            assert decimals >= 2
            assert float(row[title]) == pytest.approx(value, abs=0.51 * 10**-decimals), title
    assert mean != pytest.approx(pooled, abs=1e-9), "of the two, readers want to know which is which"


def test_the_page_and_the_terminal_have_the_table_too(several: Path) -> None:
    page = (several / "index.html").read_text()
    assert '<table id="table-metrics">' in page
    assert "macro f1, pooled" in page
    assert "\\caption{Metrics, means over folds and replicates" in (several / "table.tex").read_text()


def test_the_page_of_a_users_study_speaks_of_what_it_is(several: Path) -> None:
    page = (several / "index.html").read_text()
    words = re.sub(r"<(script|style|pre).*?</\1>", "", page, flags=re.DOTALL)
    for foreign in ("sound protocol", "reported figure", "test labels", "image"):
        assert foreign not in words
    assert "test loss (nats/sample)" in words
    assert "images" not in (several / "table.md").read_text()


def test_the_page_names_the_files_of_the_study_with_fingerprints(several: Path) -> None:
    modules = json.loads((several / "environment.json").read_text())["modules"]
    assert list(modules) == ["load.py", "nets.py"]
    shown = (several / "index.html").read_text().partition('id="reproduce"')[2]
    for name, fingerprint in modules.items():
        assert f"<code>{name}</code>" in shown
        assert f"<code>{fingerprint}</code>" in shown


def test_records_say_nothing_of_undefined_scores_where_there_are_none(several: Path) -> None:
    assert '"undefined"' not in (several / "records.jsonl").read_text()


def test_a_study_of_one_metric_has_no_table_of_metrics_and_a_regression_no_nats(tmp_path: Path) -> None:
    grid = [{"model": "net", "folds": 3}]
    keys = {"splitter": "kfold", "metrics": {"primary": "rmse"}, "replicates": 2, "grid": grid}
    results = run(tmp_path, {"load.py": PROGRESSION}, **keys)
    document, page = (results / "table.md").read_text(), (results / "index.html").read_text()
    assert "## Metrics" not in document
    assert 'id="metrics"' not in page
    assert "nats" not in page
    assert "cross-entropy" not in page
    scores = pd.read_csv(results / "conditions.csv").set_index("metric")
    assert scores["unit"].isna()["test_loss"]
    assert scores["ci95_low"]["test_rmse"] > 0, "so it is not cut, and nothing is said of that"
    assert "is cut at" not in document


def test_an_interval_that_is_cut_where_its_metric_ends_says_so(tmp_path: Path) -> None:
    """The data are easy: the AUROC is near 1, and with three folds its interval reaches beyond."""
    recipe = {"epochs": 15, "batch_size": 16, "learning_rate": 0.01}
    grid = [{"model": "net", "folds": 3}]
    results = run(tmp_path, metrics={"primary": "auroc"}, recipe=recipe, grid=grid, replicates=1)
    scores = pd.read_csv(results / "conditions.csv").set_index("metric").loc["test_auroc"]
    assert scores["ci95_high"] > 1, "by the formula"
    document = (results / "table.md").read_text()
    (row,) = read_table(document, "Conditions")
    assert re.search(r", 1\.0+\]$", row["95% interval"])
    assert "\n- the interval is cut at 1, where auroc ends; conditions.csv has it uncut." in document


def test_an_undefined_score_has_its_reason_below_the_tables(tmp_path: Path) -> None:
    recipe = {"epochs": 8, "batch_size": 16, "learning_rate": 0.01}
    keys = {"splitter": "predefined", "replicates": 1, "grid": [{"model": "net", "folds": 3}], "recipe": recipe}
    results = run(tmp_path, {"load.py": ONE_SIDED}, **keys, metrics={"primary": "auroc", "also": ["accuracy"]})
    records = [json.loads(line) for line in (results / "records.jsonl").read_text().splitlines()]
    folds = {record["fold"]: record for record in records if record["kind"] == "fold"}
    assert [sorted(record.get("undefined", {})) for _, record in sorted(folds.items())] == [[], ["test_auroc"], []]
    document = (results / "table.md").read_text()
    (row,) = read_table(document, "Metrics")
    assert "auroc (share)" not in row, "no mean over some of the folds"
    notes = [line for line in document.splitlines() if "auroc is undefined in fold 2 of trial" in line]
    assert len(notes) == 2, "of the conditions and of the metrics"
    assert all(folds[1]["undefined"]["test_auroc"] in note for note in notes)
    assert row["auroc, pooled"] != "–", "over all samples together both classes are there"


@pytest.mark.parametrize(
    ("value", "sign", "shown"),
    [(-0.001, "", "0.00"), (-0.001, "+", "0.00"), (0.004, "+", "0.00"), (-0.006, "", "-0.01")],
)
def test_what_is_rounded_to_zero_has_no_sign(value: float, sign: str, shown: str) -> None:
    assert format_number(value, 2, sign) == shown


def test_an_interval_that_ends_near_zero_shows_on_which_side() -> None:
    assert format_estimate(-0.17, -0.35, -0.001, sign="+") == ("-0.17", "[-0.35, -0.001]")
    assert format_estimate(0.17, 0.00004, 0.35, sign="+") == ("+0.17", "[+0.00004, +0.35]")
    assert format_estimate(0.17, 0.0, 0.35, sign="+") == ("+0.17", "[0.00, +0.35]")
    assert format_estimate(0.17, -1e-9, 0.35, sign="+")[1] == "[0.00, +0.35]", "a rounding error is no side"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98765432, "0.9877"), (1.23456, "1.235"), (72.5576, "72.56"), (114.9277, "114.9"), (12345.6, "12346")],
)
def test_a_number_without_an_interval_has_four_digits(value: float, text: str) -> None:
    assert format_estimate(value, None, None)[0] == text


def test_metrics_with_an_end_are_known() -> None:
    assert find_bounds("test_auroc") == (0, 1)
    assert find_bounds("test_mcc") == (-1, 1)
    assert find_bounds("test_r2") == (-np.inf, 1)
    assert find_bounds("test_rmse") == (0, np.inf)
    assert find_bounds("test_loss") is None


@pytest.mark.parametrize(
    ("named", "losses", "unit"),
    [
        ((), ["auto"], "nats/sample"),
        (("auroc",), ["auto", "cross_entropy"], "nats/sample"),
        (("r2",), ["auto"], ""),
        (("auroc",), ["focal"], ""),
        (("hamming_loss",), ["auto"], "nats/label"),
        (("a_users_own",), ["auto"], ""),
        (("a_users_own",), ["cross_entropy"], "nats/sample"),
    ],
)
def test_only_cross_entropies_are_in_nats(named: tuple[str, ...], losses: list[str], unit: str) -> None:
    assert find_loss_unit(named, losses, {}, "sample") == unit
