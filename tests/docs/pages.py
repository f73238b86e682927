"""The pages of the guide, their blocks, and the commands in them, in the order in which readers meet them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README, INDEX = ROOT / "README.md", DOCS / "index.md"
_FENCE = re.compile(r"^( *)```([\w{}-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([a-z_]+\.(?:py|yaml))\n")
COMMANDS = ("tune-grid", "tune-report")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `file` is the name in its first line, empty without one."""

    page: str
    language: str
    text: str

    @property
    def file(self) -> str:
        found = _FILE.match(self.text) if self.language in ("python", "yaml") else None
        return found[1] if found else ""

    @property
    def commands(self) -> list[list[str]]:
        """Every line of a shell block as its words, without comments."""
        if self.language != "sh":
            return []
        return [words for line in self.text.splitlines() if (words := shlex.split(line, comments=True))]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def find_pages() -> list[Path]:
    """The guide's pages in the order of its contents, the README first."""
    names = re.findall(r"^\d+\. \[.*?\]\(([\w-]+\.md)\)", read(INDEX), re.MULTILINE)
    return [README, INDEX, *(DOCS / name for name in names)]


def find_blocks(path: Path) -> list[Block]:
    return [Block(path.name, language, text) for _, language, text in _FENCE.findall(read(path))]


def strip_blocks(text: str) -> str:
    """A page's prose: without fenced and indented blocks."""
    return re.sub(r"^ {4}(?! *[-*]).*$", "", _FENCE.sub("", text), flags=re.MULTILINE)


def find_files() -> dict[str, str]:
    """Every file that the guide writes; README and guide show the first study alike."""
    return {block.file: block.text for path in find_pages() for block in find_blocks(path) if block.file}


def find_sections(title: str) -> str:
    """The text of the guide's section of this name."""
    for path in find_pages():
        parts = read(path).split(f"\n## {title}\n")
        if len(parts) > 1:
            return parts[1].split("\n## ")[0]
    raise AssertionError(f"the guide has no section {title!r}")
