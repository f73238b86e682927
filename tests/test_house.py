"""The house: who may import whom, and what the README promises."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANYTHING = {"tune_app"}
# room → what of ours it may import; the longest matching key counts
MAY_IMPORT: dict[str, set[str]] = {
    "tune_app": set(),
    "tune_app.errors": set(),
    "tune_app.study": {"tune_app.errors", "tune_app.study"},
    "tune_app.parts": {"tune_app.errors", "tune_app.study", "tune_app.parts", "tune_app.models", "tune_app.data"},
    "tune_app.models": {"tune_app.models"},
    "tune_app.data": {"tune_app.errors", "tune_app.data"},
    "tune_app.engine": {"tune_app.errors", "tune_app.study", "tune_app.parts", "tune_app.engine", "tune_app.models"},
    "tune_app.records": {"tune_app.errors", "tune_app.study", "tune_app.records"},
    "tune_app.plan": {
        "tune_app.errors", "tune_app.study", "tune_app.parts", "tune_app.plan", "tune_app.engine.cost", "tune_app.data",
    },
    "tune_app.trial": {
        "tune_app.errors", "tune_app.study", "tune_app.parts", "tune_app.engine", "tune_app.records", "tune_app.trial",
        "tune_app.models", "tune_app.data",
    },
    "tune_app.executors": {
        "tune_app.errors", "tune_app.study", "tune_app.plan", "tune_app.trial", "tune_app.records",
        "tune_app.executors", "tune_app.data",
    },
    "tune_app.monitor": {"tune_app.records", "tune_app.monitor"},
    "tune_app.analysis": {"tune_app.errors", "tune_app.study", "tune_app.records", "tune_app.analysis"},
    "tune_app.export": {
        "tune_app.errors", "tune_app.study", "tune_app.records", "tune_app.analysis", "tune_app.export",
    },
    "tune_app.session": ANYTHING,
    "tune_app.report": ANYTHING,
    "tune_app.grid": ANYTHING,
    "benchmarks": ANYTHING | {"benchmarks"},
}  # fmt: skip
OURS = ANYTHING | {"benchmarks"}


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
def test_modules_import_what_the_design_allows(path: Path) -> None:
    module = module_of(path)
    rule = max((key for key in MAY_IMPORT if is_within(module, key)), key=len)
    ours = {name for name in imports_of(path) if name.split(".")[0] in OURS}
    forbidden = {name for name in ours if not any(is_within(name, allowed) for allowed in MAY_IMPORT[rule])}
    assert not forbidden, f"{module} imports {forbidden}"


def test_one_file_and_one_peer_import_ray() -> None:
    users = {module_of(path) for path in FILES if any(is_within(name, "ray") for name in imports_of(path))}
    assert users == {"tune_app.executors.ray", "benchmarks.contestants.ray_tune"}


def test_the_commands_are_imported_by_nobody() -> None:
    for path in FILES:
        assert not imports_of(path) & {"tune_app.grid", "tune_app.report"}, path


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if not target.startswith("http"):
                assert (ROOT / target).exists(), f"{document.name}: {target}"


def test_the_readmes_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", readme)) <= targets
    for module in re.findall(r"python -m (tune_app\.\w+)", readme):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_every_option_in_the_readme_is_one_of_the_commands() -> None:
    from tune_app.grid import build_parser

    known = {option for action in build_parser()._actions for option in action.option_strings}
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if "tune_app.grid" in line]
    used = {option for line in lines for option in re.findall(r"(?<=\s)--[a-z-]+", line)}
    assert used <= known


def test_every_requirement_is_bounded_and_explained() -> None:
    readme = (ROOT / "README.md").read_text()
    files = ("requirements.txt", "benchmarks/requirements.txt")
    for line in (line for name in files for line in (ROOT / name).read_text().splitlines()):
        if line and not line.startswith(("#", "-r")):
            name = re.split(r"[\[><=]", line)[0]
            assert ">=" in line, line
            assert ",<" in line, line
            assert f"| {name} |" in readme, f"README gives no reason for {name}"
