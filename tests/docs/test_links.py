"""Links: each leads to a file of the repository, and to a heading that is there."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, INDEX, ROOT, find_pages, read, strip_blocks

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md", "results/**/README.md", "data/MNIST/README.md")
    for path in ROOT.glob(pattern)
)
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def find_anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and the site's generator build them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", read(path), flags=re.MULTILINE | re.DOTALL), re.M)
    seen: Counter[str] = Counter()
    found = set()
    for title in titles:
        plain = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    lost = []
    for target in LINK.findall(strip_blocks(read(document))):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.is_file() or (anchor and anchor not in find_anchors(path)):
            lost.append(target)
        assert path.is_relative_to(ROOT), f"{target} leads out of the repository"
    assert not lost


def test_the_contents_have_every_page_once() -> None:
    pages = find_pages()
    assert len(pages) == len(set(pages))
    assert {path for path in pages if path.parent == DOCS} == set(DOCS.glob("*.md"))
    assert re.findall(r"^(\d+)\. ", read(INDEX), re.MULTILINE) == [str(n + 1) for n in range(len(pages) - 2)]


def test_every_picture_of_the_guide_is_shown_and_small() -> None:
    shown = {path.resolve() for page in find_pages() for path in _find_pictures(page)}
    taken = {path.resolve() for path in (DOCS / "pictures").iterdir()}
    assert taken <= shown
    assert all(path.stat().st_size < 200_000 for path in taken)


def _find_pictures(page: Path) -> list[Path]:
    return [page.parent / target for target in re.findall(r"!\[[^]]+\]\(([^)]+)\)", read(page))]


def test_a_page_speaks_of_no_machine_and_shows_no_directive() -> None:
    for page in find_pages():
        assert not re.search(r"(?<![\w.<])/(root|home|work)/", read(page)), page
        assert "```{" not in read(page), f"{page}: a code host shows a directive as code"
