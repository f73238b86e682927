"""The page for everyone: by keyboard, read out, in the dark, large and on paper; and nothing foreign in it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tune_app.export.page import PAGE_FILE

CONTROLS = (
    *("link", "button", "combobox", "checkbox", "DisclosureTriangle", "textbox", "searchbox", "table"),
    *("region", "navigation", "image", "img"),
)


def test_the_policy_lets_in_no_other_script_and_no_other_style(browser: Any, folder: Path, tmp_path: Path) -> None:
    text = (folder / PAGE_FILE).read_text()
    foreign = (
        "<script>document.title = 'ran'</script><style>body { display: none; }</style>"
        "<p id='styled' style='position: fixed' onclick=\"document.title = 'ran'\">x</p>"
        "<img src='x' onerror=\"document.title = 'ran'\"><a id='link' href=\"javascript:document.title = 'ran'\">x</a>"
    )
    (tmp_path / PAGE_FILE).write_text(text.replace("<body>", f"<body>{foreign}", 1))
    page = browser.new_page()
    page.goto((tmp_path / PAGE_FILE).as_uri())
    page.wait_for_selector("html[data-ready]")
    page.click("#styled")
    page.click("#link")
    assert page.title() != "ran"
    look = "id => getComputedStyle(document.querySelector(id))"
    assert page.evaluate(f"({look})('body').display") != "none"
    assert page.evaluate(f"({look})('#styled').position") == "static"
    page.close()


def test_a_figure_drawn_on_a_dark_page_is_printed_on_white(browser: Any, folder: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto((folder / PAGE_FILE).as_uri())
    page.wait_for_selector("html[data-ready]")
    figure = page.locator("#figure-scores .chart")
    assert _measure_brightness(figure.screenshot()) < 0.3
    page.emulate_media(media="print", color_scheme="dark")
    assert _measure_brightness(figure.screenshot()) > 0.8
    context.close()


def _measure_brightness(png: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(png)).convert("L")).mean() / 255)


def test_the_page_can_be_used_by_keyboard(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.slow
def test_every_control_has_a_name(page: Any) -> None:
    page.eval_on_selector_all("details", "all => all.forEach(details => { details.open = true; })")
    page.wait_for_selector("[data-chart]:not([data-drawn])", state="detached")
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in tree if not node["ignored"] and node["role"]["value"] in CONTROLS]
    roles = {node["role"]["value"] for node in controls}
    assert {"link", "button", "combobox", "checkbox", "DisclosureTriangle", "region"} <= roles
    assert [node["role"]["value"] for node in controls if not node.get("name", {}).get("value")] == []


@pytest.mark.slow
def test_twice_as_large_nothing_scrolls_sideways(browser: Any, folder: Path) -> None:
    context = browser.new_context(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    page = context.new_page()
    page.goto((folder / PAGE_FILE).as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


@pytest.mark.slow
def test_on_paper_nothing_is_clipped_and_claims_are_open(browser: Any, folder: Path) -> None:
    width = 1123 - 2 * 45  # pixels of a landscape A4 sheet within its margins
    page = browser.new_page(viewport={"width": width, "height": 700})
    page.goto((folder / PAGE_FILE).as_uri())
    page.wait_for_selector("html[data-ready]")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    wide = page.eval_on_selector_all(
        "table, svg, pre, p",
        "(all, most) => all.filter(e => e.getBoundingClientRect().right > most).map(e => e.outerHTML.slice(0, 80))",
        width + 1,
    )
    assert wide == []
    cut = "boxes => boxes.filter(box => getComputedStyle(box).overflowY !== 'visible').length"
    assert page.eval_on_selector_all(".scroll, .chart", cut) == 0
    assert page.locator("table.verdicts details p").first.is_visible()
    assert not page.locator("nav").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("table.verdicts details[open]").count() == 0
    page.close()
