"""The guide's studies run as they stand in one folder, and its tables have what the tool has."""

import re
import runpy
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

import tune_app
from tests.calls import run
from tests.docs.pages import DOCS, find_files, find_sections, read
from tune_app.grid import main as run_command
from tune_app.parts.catalog import SHIPPED_PARTS
from tune_app.parts.metrics import METRICS
from tune_app.parts.signatures import FILLED
from tune_app.study import Recipe
from tune_app.study.define import KINDS, Definition
from tune_app.study.designs import DESIGNS

RESULTS = read(DOCS / "results.md")
FILES = find_files()
# Longer than the rest: more images, more replicates, or processes of their own.
LONG = {"ablation.yaml", "baselines.yaml", "my_study.yaml", "claims.yaml", "defect.yaml", "devices.yaml"}
STUDIES = [
    pytest.param(name, marks=pytest.mark.slow if name in LONG else ())
    for name in sorted(FILES)
    if name.endswith(".yaml")
]
EPOCHS = 2  # of which one is a warm-up


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's files in one folder, with the data that it makes."""
    folder = tmp_path_factory.mktemp("guide")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runpy.run_path("make_data.py")
    return folder


def find_words(title: str) -> set[str]:
    """What the section sets in code."""
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", find_sections(title)))))


def find_first_cells(title: str) -> set[str]:
    return set(re.findall(r"^\| `([\w-]+)`", find_sections(title), re.MULTILINE))


def find_columns(file: str) -> set[str]:
    """The columns that the page on results folders has for a file."""
    _, section = re.split(rf"^## .*\b{re.escape(file)}.*$", RESULTS, maxsplit=1, flags=re.MULTILINE)
    return set(re.findall(r"`(\w+)`", section.split("\n## ")[0]))


def is_score(column: str) -> bool:
    return column.startswith(("test_", "validation_", "holdout_", "train_"))


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_every_study_of_the_guide_runs_as_it_stands(
    study: str, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written, folder)
    monkeypatch.chdir(folder)
    results = run(study, overrides=[f"recipe.epochs={EPOCHS}"], allow=("sklearn",))
    content = yaml.safe_load(FILES[study])
    assert len(results.folds) == sum(trial.spec.folds for trial in results.study.grid_trials())
    failures = results.folds[results.folds["status"] != "completed"]
    assert failures.empty, failures[["error_type", "error_message"]].to_string()
    primary = content.get("metrics", {}).get("primary", "accuracy")
    assert results.folds[f"test_{primary}"].notna().all()
    for path in sorted(Path("results", results.study.name).glob("*.csv")):
        columns = set(pd.read_csv(path, nrows=0).columns) - {*results.study.factors, *results.study.data.names}
        undocumented = {name for name in columns - find_columns(path.name) if not is_score(name)}
        assert not undocumented, f"{path.name}: {undocumented} in docs/results.md"


@pytest.mark.parametrize(
    ("study", "before", "after"),
    [
        ("study.yaml", "width: [16, 64]", "widht: [16, 64]"),
        ("study.yaml", "norm: [none, batch]", "norm: [none, bacth]"),
        ("study.yaml", "width: [16, 64]", "width: [16, 600]"),
        ("baselines.yaml", "baselines:forest", "sklearn.ensemble:RandomForestClassifier"),
    ],
)
def test_the_messages_of_the_guide_are_those_of_the_tool(
    study: str, before: str, after: str, written: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written, folder)
    (folder / study).write_text(FILES[study].replace(before, after))
    with pytest.raises(tune_app.StudyError) as error:
        tune_app.build_plan(folder / study)
    told = re.findall(r"^\| [^|]* \| `([^`]+)` \|$", find_sections("Messages"), re.MULTILINE)
    parts = [[part.strip() for part in message.split("…") if part.strip()] for message in told]
    assert any(all(part in str(error.value) for part in message) for message in parts), str(error.value)


def test_the_first_study_runs_as_init_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["init", "my_study"]) == 0
    monkeypatch.chdir(tmp_path / "my_study")
    results = run("study.yaml", overrides=["recipe.epochs=1"])
    assert set(results.folds["status"]) == {"completed"}


def test_the_tables_of_metrics_splitters_sources_and_designs_are_whole() -> None:
    assert set(METRICS) <= find_words("Metrics")
    assert find_first_cells("Splitters") == set(SHIPPED_PARTS["splitter"])
    assert set(SHIPPED_PARTS["data"]) <= find_first_cells("Data")
    assert set(DESIGNS) <= find_first_cells("Ablation designs")


def test_the_tables_of_keys_have_those_that_a_definition_takes_and_those_that_the_tool_passes() -> None:
    section = "Names and references"
    assert set(Definition.model_fields) - {"kind", "reference", "arguments"} <= find_first_cells(section)
    for kind in KINDS:
        (row,) = re.findall(rf"^\| `{kind}` \| (.*) \|$", find_sections(section), re.MULTILINE)
        assert set(re.findall(r"`([a-z_]+)`", row)) <= set(FILLED[kind]), kind


def test_the_table_of_the_recipe_has_every_key_and_every_part_that_ships() -> None:
    words = find_words("The recipe")
    of_stop = {"patience", "holdout", "stop_metric"}
    assert set(Recipe.model_fields) - of_stop <= words
    for kind in ("loss", "optimizer", "schedule", "augment"):
        assert set(SHIPPED_PARTS[kind]) <= set(re.findall(r"\w+", find_sections("The recipe"))), kind


def test_the_table_of_fields_has_every_field_of_data() -> None:
    assert set(tune_app.Data.__dataclass_fields__) <= find_first_cells("Data")
