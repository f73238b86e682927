"""The browser that pages are opened in, and a page."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.export.page_results import build_page_results
from tune_app.export.folder import write_results
from tune_app.export.page import PAGE_FILE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, build_page_results())
    return folder


@pytest.fixture(params=[1280, pytest.param(390, marks=pytest.mark.slow)], ids=["desktop", "phone"])
def page(browser: Any, folder: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page once its figures are drawn; anything it logs or asks for beyond itself fails the test."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda query: asked.append(query.url))
    address = (folder / PAGE_FILE).as_uri()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
