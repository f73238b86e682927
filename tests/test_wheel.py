"""The package as it is installed: everything is in it, nothing is written into it, no name is taken that users need."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.builders import write_study_file

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that git tracks, as from a fresh clone."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheel"))
    run("git", "checkout-index", "--all", f"--prefix={source}/", cwd=ROOT)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, source, cwd=source)
    (built,) = target.glob("tune_app-*.whl")
    return built


def test_the_wheel_holds_every_package_and_what_goes_with_it(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = run("git", "ls-files", "tune_app", "models", "data", cwd=ROOT).splitlines()
    inside = {path if path.startswith("tune_app/") else f"tune_app/{path}" for path in tracked}
    links = {"tune_app/models", "tune_app/data"}
    assert inside - links - held == set()
    assert {name for name in held if "MNIST/raw" in name and name.endswith(".gz")} <= inside
    assert not [name for name in held if name.startswith(("models/", "data/", "tests/", "benchmarks/"))]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; the packages that it needs are those of this environment."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", place, cwd=ROOT)
    (packages,) = (place / "lib").glob("python*/site-packages")
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
    run(
        place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", wheel, cwd=place
    )
    return place


def _list_files(place: Path) -> dict[str, int]:
    (package,) = place.glob("lib/python*/site-packages/tune_app")
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path): path.stat().st_mtime_ns for path in files}


def test_the_command_runs_from_an_empty_folder_and_writes_nothing_into_the_installation(
    installed: Path, tmp_path: Path
) -> None:
    before = _list_files(installed)
    folder = tmp_path / "empty"
    folder.mkdir()
    study = write_study_file(tmp_path)
    command = installed / "bin" / "tune-grid"
    out = run(command, study, "--executor", "inline", cwd=folder)
    assert "Tables and page: results/small/index.html" in out
    assert "Tables and page (up to date)" in run(command, study, cwd=folder)
    assert {path.name for path in folder.iterdir()} == {"runs", "results"}
    run(installed / "bin" / "tune-report", "results/small", cwd=folder)
    assert "12 trials, 72 fits" in run(command, "quick", "--dry-run", cwd=folder)
    assert _list_files(installed) == before


@pytest.mark.parametrize("name", ["models", "data"])
def test_no_name_is_taken_but_its_own(installed: Path, tmp_path: Path, name: str) -> None:
    code = f"import importlib.util, tune_app; print(importlib.util.find_spec({name!r}))"
    assert run(installed / "bin" / "python", "-c", code, cwd=tmp_path).strip() == "None"
