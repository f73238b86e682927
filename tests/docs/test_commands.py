"""Commands and options: every one that a page names is one of the tool's, and the page on commands has all of them."""

import argparse
import re
from pathlib import Path

import pytest

from tests.docs.pages import (
    COMMANDS,
    ROOT,
    Block,
    find_blocks,
    find_files,
    find_pages,
    find_sections,
    read,
    strip_blocks,
)
from tune_app import grid, report
from tune_app.study.file import SHIPPED

PARSERS = {"tune-grid": grid.build_parser(), "tune-report": report.build_parser()}
SUBCOMMANDS = ("init", "list")
# Options of other programs that the guide's commands are beside: ray start, prometheus, grafana.
FOREIGN = {"--head", "--port", "--num-cpus", "--disable-usage-stats", "--config.file", "--homepath", "--help"}
PAGES = find_pages()
NAMES = [path.name for path in PAGES]


def find_options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


def find_lines(page: Path) -> list[list[str]]:
    return [words for block in find_blocks(page) for words in block.commands]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_parsers_take_every_command(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = []
    for words in find_lines(page):
        if words[0] in COMMANDS and words[1:2] not in ([name] for name in SUBCOMMANDS):
            try:
                options = PARSERS[words[0]].parse_args(words[1:])
            except SystemExit:
                refused.append((words, capsys.readouterr().err))
                continue
            if words[0] == "tune-grid":
                assert options.study in {*find_files(), *(path.stem for path in SHIPPED.glob("*.yaml"))}, words
    assert not refused


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    known = set().union(*map(find_options, PARSERS.values())) | FOREIGN
    ours = re.sub(r"`python -m benchmarks[^`]*`", "", read(page))  # measurements have options of their own
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z.-]*[a-z]", ours)) <= known


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_on_commands_has_every_option_of_a_command(command: str) -> None:
    rows = set(re.findall(r"^\| `(--[a-z-]+)", find_sections(command), re.MULTILINE))
    assert rows == find_options(PARSERS[command]) - {"--help"}


def test_what_the_page_on_commands_calls_a_value_is_what_the_help_calls_it() -> None:
    for command, parser in PARSERS.items():
        told = re.findall(r"^\| `(--[a-z-]+ [^`]+)`", find_sections(command), re.MULTILINE)
        helped = {
            f"{action.option_strings[-1]} {action.metavar or '{' + ','.join(map(str, action.choices or ())) + '}'}"
            for action in parser._actions
            if action.option_strings and action.nargs != 0
        }
        assert {line for line in told if line not in helped} <= {"--address ADDRESS", "--seed SEED"}


def test_make_has_every_target_that_a_page_names_and_modules_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        inline = re.findall(r"`([^`]+)`", strip_blocks(read(page)))
        code = "\n".join([*inline, *(block.text for block in find_blocks(page) if block.language == "sh")])
        assert set(re.findall(r"^make\s+([a-z-]+)", code, re.MULTILINE)) <= targets, page
        for module in re.findall(r"python -m ((?:tune_app|benchmarks)\.\w+)", code):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), f"{page}: {module}"


def test_every_block_has_a_language_and_every_study_a_file() -> None:
    lost: list[Block] = []
    for page in PAGES:
        for block in find_blocks(page):
            alone = block.language == "yaml" and not block.file and page.name not in ("results.md", "README.md")
            if block.language not in ("sh", "python", "yaml", "text") or alone:
                lost.append(block)
    assert not lost


def test_a_file_is_the_same_wherever_the_guide_shows_it() -> None:
    shown: dict[str, str] = {}
    for block in (block for page in PAGES for block in find_blocks(page) if block.file):
        assert shown.setdefault(block.file, block.text) == block.text, f"{block.page}: {block.file}"
    assert len(shown) >= 20
