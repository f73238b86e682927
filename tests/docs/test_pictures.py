"""The script that takes the guide's pictures."""

import runpy
import shutil

import pytest

from tests.docs.pages import DOCS, ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_picture_is_the_first_screen_of_a_page_in_few_colours() -> None:
    from playwright.sync_api import sync_playwright

    script = runpy.run_path(str(DOCS / "pictures.py"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        picture = script["take_picture"](browser, (ROOT / "results" / "quick" / "index.html").as_uri())
        browser.close()
    assert picture.size == (script["WIDTH"], script["HEIGHT"])
    assert 8 < len(picture.getcolors()) <= script["COLOURS"], "something is drawn"
