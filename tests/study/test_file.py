"""Study files: plain YAML, read, overridden, written and found by name."""

import re
from pathlib import Path

import pytest
import yaml

from tests.builders import build_study, write_study_file
from tune_app.errors import StudyError
from tune_app.parts.catalog import build_catalog
from tune_app.study.file import build_yaml, find_study_file, read_study


def test_a_study_written_out_reads_back_the_same(tmp_path: Path) -> None:
    study = build_study(title="Größe & <b>")
    (tmp_path / "again.yaml").write_text(build_yaml(study))
    assert read_study(tmp_path / "again.yaml") == study


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(f"name: !!python/object/apply:os.system ['touch {tmp_path}/hit']\n")
    with pytest.raises(StudyError, match="not plain YAML"):
        read_study(path)
    assert not (tmp_path / "hit").exists()


def test_overrides_reach_every_section(tmp_path: Path) -> None:
    overrides = ["recipe.epochs=4", "data.train_images=50", "grid.0.folds=[2, 5]", "replicates=2"]
    study = read_study(write_study_file(tmp_path), overrides, build_catalog())
    assert (study.recipe.epochs, study.data.train_images, study.replicates) == (4, 50, 2)
    assert study.grid[0].named("folds") == (2, 5)


@pytest.mark.parametrize("override", ["epochs", "recipe.epoch=1", "recipe.epochs=[", "grid.9.folds=3", "a.b=1", "=1"])
def test_bad_overrides_are_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(StudyError):
        read_study(write_study_file(tmp_path), [override], build_catalog())


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(StudyError, match="unknown study 'quik'; did you mean 'quick'"):
        find_study_file("quik")


def test_a_shipped_study_is_named_after_its_file() -> None:
    for path in Path(find_study_file("quick")).parent.glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["name"] == path.stem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "the key 'name' is given twice"),
        ("name: a\ngrid:\n  - {model: cnn, folds: 4, folds: 10}\n", "the key 'folds' is given twice in .* line 3"),
        ("name: !!date a\n", "is not plain YAML: could not determine a constructor"),
    ],
)
def test_yaml_that_says_two_things_or_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=message):
        read_study(path)


@pytest.mark.parametrize("override", ["grid.².folds=3", "seed=!!date a", "recipe={epochs: 1, epochs: 2}"])
def test_an_odd_override_is_refused_with_its_text(tmp_path: Path, override: str) -> None:
    with pytest.raises(StudyError, match=f"--set {re.escape(override)}"):
        read_study(write_study_file(tmp_path), [override])


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"is a folder; give the path of a \.yaml file in it"):
        find_study_file(str(tmp_path))
