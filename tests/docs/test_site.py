"""The site that `make docs` builds: without a warning, whole, and alone on its machine."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import tune_app
from tests.docs.pages import ROOT, find_pages, read

pytestmark = pytest.mark.slow
for package in ("sphinx", "myst_parser", "furo"):
    pytest.importorskip(package, reason="docs/requirements.txt is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--keep-going",
        "-q",
        "-c",
        "docs",
        ".",
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return folder


def find_addresses(page: Path) -> tuple[set[str], set[str]]:
    """What a page loads (scripts, styles, pictures), and what it links to."""
    text = read(page)
    loaded = re.findall(r'<(?:script|img)[^>]*? src="([^"]+)"', text) + re.findall(r'<link[^>]*? href="([^"]+)"', text)
    return set(loaded), set(re.findall(r'<a [^>]*?href="([^"]+)"', text))


def test_every_page_is_there_and_in_the_side_bar_in_the_order_of_the_contents(site: Path) -> None:
    names = [path.stem for path in find_pages()[2:]]
    side = re.search(r'class="sidebar-tree">.*?</div>', read(site / "docs" / "index.html"), re.DOTALL)
    assert side
    assert re.findall(r'href="([\w-]+)\.html"', side[0]) == names
    assert all((site / "docs" / f"{name}.html").is_file() for name in names)


def test_pages_load_nothing_from_elsewhere_and_their_links_lead_somewhere(site: Path) -> None:
    for page in sorted((site / "docs").glob("*.html")):
        loaded, linked = find_addresses(page)
        assert not [address for address in loaded if urlsplit(address).scheme or address.startswith("//")], page
        for address in loaded | linked:
            parts = urlsplit(address)
            if not parts.scheme and parts.path:
                assert (page.parent / unquote(parts.path)).is_file(), f"{page.name}: {address}"


def test_the_reference_has_every_public_name_with_its_methods(site: Path) -> None:
    text = read(site / "docs" / "reference.html")
    listed = set(re.findall(r'id="tune_app\.([\w.]+)"', text))
    assert set(tune_app.__all__) - {"__version__"} <= listed
    assert {"Results.write", "Results.contrasts", "Callback.record", "Plan.describe"} <= listed
    assert "Without any, the levels of the study" in text, "the docstrings"
