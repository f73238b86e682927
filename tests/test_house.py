"""The house: who may import whom, and what the README promises."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tune_app.study.protocol import DEFECTS

ROOT = Path(__file__).parents[1]
EVERYTHING = "everything"


def _read_rooms() -> dict[str, set[str]]:
    """Room → what of ours it may import besides itself, from the table in ARCHITECTURE.md."""
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([^|]*?) ?\|$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    found = {}
    for room, allowed in rows:
        names = [name for name in allowed.split(", ") if name]
        found[room] = {name if name in (EVERYTHING, "benchmarks") else f"tune_app.{name}" for name in names}
    return found


ROOMS = _read_rooms()
OURS = {"tune_app", "benchmarks"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def _find_sources(folder: Path) -> Iterator[Path]:
    """Every source file, in the folders behind symbolic links too, which `rglob` follows on some Pythons alone."""
    for place, _, files in os.walk(folder, followlinks=True):
        yield from (Path(place) / name for name in files if name.endswith(".py"))


FILES = [path for top in ("tune_app", "benchmarks") for path in sorted(_find_sources(ROOT / top))]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(str(node.module))
    return found


def is_within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_modules_import_what_the_architecture_allows(path: Path) -> None:
    module = module_of(path)
    room = max((name for name in ROOMS if is_within(module, name)), key=len)
    allowed = ROOMS[room] | {room}
    ours = {name for name in imports_of(path) if name.split(".")[0] in OURS and name != "tune_app"}
    forbidden = {name for name in ours if not any(is_within(name, place) for place in allowed)}
    assert EVERYTHING in allowed or not forbidden, f"{module} imports {forbidden}"


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.name for path in (ROOT / "tune_app").iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in (ROOT / "tune_app").glob("*.py")} - {"__init__"}
    assert {f"tune_app.{name}" for name in folders | files} | {"tune_app", "benchmarks"} == set(ROOMS)


def test_the_names_models_and_data_are_left_to_users() -> None:
    for path in FILES:
        assert not {name.split(".")[0] for name in imports_of(path)} & {"models", "data"}, path


def test_one_folder_and_one_peer_import_ray() -> None:
    users = {module_of(path) for path in FILES if any(is_within(name, "ray") for name in imports_of(path))}
    ours = {name for name in users if is_within(name, "tune_app.executors.ray")}
    assert ours
    assert users - ours == {"benchmarks.contestants.ray_tune"}


def test_the_commands_are_imported_by_nobody() -> None:
    for path in FILES:
        assert not imports_of(path) & {"tune_app.grid", "tune_app.report"}, path


LONGEST = 60  # lines of a function
LONGEST_FILE = 300


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{module_of(path)}.{node.name}: {node.end_lineno - node.lineno + 1}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno >= LONGEST
        if module_of(path).startswith("tune_app")
    }
    assert not long


def test_files_are_one_idea_long() -> None:
    ours = [path for path in FILES if is_within(module_of(path), "tune_app")]
    tests = (ROOT / "tests").rglob("*.py")
    assert not {module_of(path) for path in (*ours, *tests) if len(path.read_text().splitlines()) > LONGEST_FILE}


def test_the_general_code_asks_the_table_of_defects_and_spells_none() -> None:
    """Their names stand in the table, in what each does, and in the audit's two hypotheses."""
    tables = {"tune_app.study.protocol", "tune_app.engine.defects"}
    for path in FILES:
        module = module_of(path)
        if module in tables or is_within(module, "tune_app.analysis.audit") or module.startswith("benchmarks"):
            continue
        tree = ast.parse(path.read_text())
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        documented = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        named = {defect for text in texts - documented for defect in DEFECTS if defect in text}
        assert not named, f"{module} spells {named}"


def test_no_test_imports_a_test() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        assert not any(".test_" in name for name in imports_of(path)), path


def test_every_requirement_is_bounded_and_explained() -> None:
    readme = (ROOT / "README.md").read_text()
    files = ("requirements.txt", "benchmarks/requirements.txt", "docs/requirements.txt")
    for line in (line for name in files for line in (ROOT / name).read_text().splitlines()):
        if line and not line.startswith(("#", "-r")):
            name = re.split(r"[\[><=]", line)[0]
            assert ">=" in line, line
            assert ",<" in line, line
            assert f"| {name} |" in readme, f"README gives no reason for {name}"


def test_every_direct_requirement_has_the_version_that_passed_within_its_bounds() -> None:
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    )
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    for name in ("requirements.txt", "requirements-dev.txt", "docs/requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                requirement = Requirement(line)
                assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), line
