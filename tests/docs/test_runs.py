"""The guide as a reader follows it: its files in one folder, its commands and snippets one after the other.

Studies are made small by overrides, on the inline executor. Commands of clusters and GPUs are parsed alone
(`test_commands.py`), and so are those of other programs.
"""

import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import COMMANDS, Block, find_blocks, find_files, find_pages
from tune_app import grid, report

MAINS = {"tune-grid": grid.main, "tune-report": report.main}
ELSEWHERE = ("--address", "--gpus-per-trial")  # need what is not here
PLANS = ("--dry-run", "--check")  # train nothing
SMALL = ["--executor", "inline", "--set", "recipe.epochs=2"]
_FEW = ["--set", "data.train_images=160", "--set", "data.test_images=100"]
SMALLER = {"my_study.yaml": _FEW, "quick": [*_FEW, "--only", "model=cnn,folds=4"]}
FIRST = "first-study.md"
PAGES = [path for path in find_pages() if path.name != "api.md"]  # which tests/test_public_names.py runs


def is_run(block: Block) -> bool:
    """Whether a reader can run the block here: one of our commands, or a snippet, or a script."""
    if block.language == "python":
        return not block.file or is_script(block.file)
    return any(words[0] in COMMANDS and not set(words) & set(ELSEWHERE) for words in block.commands)


def is_script(file: str) -> bool:
    """Whether a file of the guide is started by itself; studies name the others."""
    studies = [text for name, text in find_files().items() if name.endswith(".yaml")]
    module = Path(file).stem
    return file.endswith(".py") and not any(re.search(rf"\b{module}:\w", text) for text in studies)


def make_small(words: list[str]) -> list[str]:
    """The command's arguments, with overrides where it trains."""
    command, *arguments = words
    if command != "tune-grid" or arguments[:1] in (["init"], ["list"]) or set(arguments) & set(PLANS):
        return arguments
    named = bool(arguments) and not arguments[0].startswith("-")
    study, options = (arguments[0], arguments[1:]) if named else ("quick", arguments)
    return [study, *options, *SMALL, *SMALLER.get(study, [])]


def forget_modules(folder: Path) -> None:
    """A reader's commands are processes of their own: none sees the modules of the one before."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


def follow(page: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Run the page's blocks in its order; each begins in the folder."""
    names: dict[str, Any] = {"__name__": "snippets"}
    for block in find_blocks(page):
        patch.chdir(folder)
        forget_modules(folder)
        for words in block.commands:
            if words[0] == "cd":
                patch.chdir(words[1])
            elif words[0] in COMMANDS and not set(words) & set(ELSEWHERE):
                assert MAINS[words[0]](make_small(words)) == 0, f"{page.name}: {' '.join(words)}"
        if block.language == "python" and not block.file:
            exec(compile(block.text, page.name, "exec"), names)
        elif is_script(block.file):
            runpy.run_path(block.file, run_name="__main__")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder after the first page: the guide's files, and what the first study left."""
    folder = tmp_path_factory.mktemp("guide")
    for name, text in find_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        follow(next(path for path in PAGES if path.name == FIRST), folder, patch)
    return folder


@pytest.mark.slow
def test_the_first_page_leaves_the_tables_that_it_shows(begun: Path) -> None:
    assert (begun / "results" / "my_study" / "index.html").is_file()
    assert (begun / "results" / "short" / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [path for path in PAGES if path.name != FIRST and any(map(is_run, find_blocks(path)))],
    ids=lambda path: path.name,
)
def test_a_page_can_be_followed(page: Path, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(begun, folder)
    follow(page, folder, monkeypatch)
