"""The page in a real browser: nothing leaves it, tables sort and filter, figures answer, text is text."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.builders import build_results, build_study
from tune_app.export.folder import write_results
from tune_app.export.frames import build_frames
from tune_app.export.page import PAGE_FILE
from tune_app.records import pack_labels
from tune_app.records.results import Results, TestSet
from tune_app.study import TrialSpec

HOSTILE = '<script>alert(1)</script> & "quotes" </script><!--'


def build_page_results(**changes: Any) -> Results:
    claim = {
        "sentence": f"Dropout {HOSTILE} helps.",
        "levels": {"regularizer": "dropout+batchnorm", "folds": 3},
        "against": {"regularizer": "none"},
        "expect": "higher",
    }
    levels = {"regularizer": ["none", "dropout", "dropout+batchnorm"], "folds": [3, 4]}
    grid = [{"model": "cnn", "width": 0.05, **levels}]
    study = build_study(title=f"A title {HOSTILE}", claims=[claim], replicates=3, grid=grid, **changes)

    rng = np.random.default_rng(0)
    labels = (np.arange(60) % 10).astype(np.uint8)
    labels[:5] = 3
    test = TestSet(labels, np.arange(60), rng.integers(0, 255, (5, 8, 8), dtype=np.uint8), np.arange(5))

    def predict(spec: TrialSpec, fold: int) -> Any:
        source = np.random.default_rng([spec.replicate, fold, spec.folds, len(spec.regularizer)])
        is_wrong = source.random(60) < (0.2 if spec.regularizer == "none" else 0.02)
        return np.where(is_wrong, (labels + 1) % 10, labels).astype(np.uint8)

    def score(spec: TrialSpec, fold: int) -> float:
        return float(np.mean(predict(spec, fold) == labels))

    results = build_results(study, score, epochs=(1,))
    for spec in (trial.spec for trial in study.grid_trials()):
        for fold in range(spec.folds):
            record = results.records.folds[spec.id, fold]
            results.records.folds[spec.id, fold] = replace(record, predictions=pack_labels(predict(spec, fold)))
    return replace(results, test=test, environment={"command": "python -m tune_app.grid", "python": "3"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, build_page_results())
    return folder


def test_the_page_is_one_file_without_addresses_of_others(folder: Path) -> None:
    page = (folder / PAGE_FILE).read_text()
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", markup)
    assert "default-src 'none'" in page
    assert "unsafe" not in re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    assert len(page.encode()) < 5e6


def test_text_of_the_user_is_escaped(folder: Path) -> None:
    page = (folder / PAGE_FILE).read_text()
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_same_results_give_the_same_page_and_figures(folder: Path, tmp_path: Path) -> None:
    write_results(tmp_path, build_page_results())
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert f"figures{'/'}scores.svg" in names
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_frames_without_rows_leave_their_sections_out(tmp_path: Path) -> None:
    study = build_study(grid=[{"model": "cnn", "folds": 3}])
    write_results(tmp_path, build_results(study, lambda spec, fold: 0.9, epochs=(1,)))
    page = (tmp_path / PAGE_FILE).read_text()
    assert "This study lists no claims" in page
    assert 'id="audit"' not in page
    assert "holds no test labels" in page
    assert "audit" not in build_frames(build_page_results())


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


def test_the_page_fits_the_window_and_draws_its_figures(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    drawn = page.eval_on_selector_all(
        "#figures [data-chart]", "charts => charts.map(c => c.querySelectorAll('svg').length)"
    )
    assert drawn
    assert set(drawn) == {1}


def test_the_verdict_comes_first(page: Any) -> None:
    headings = page.eval_on_selector_all("main h2", "all => all.map(h => h.textContent)")
    assert headings[0] == "Verdicts"
    assert "supported" in page.inner_text("#verdicts li")
    assert HOSTILE in page.inner_text("#verdicts li")


def test_a_verdict_has_a_shape_its_adjusted_interval_and_what_it_speaks_of(page: Any) -> None:
    verdict = page.inner_text("#verdicts li")
    assert "✓ supported" in verdict
    assert re.search(r"adjusted interval \[\+0\.\d+, \+0\.\d+\] \(95%\), p \(Holm\) \S+; speaks of new images", verdict)
    assert "crossed t-test (fits × images), paired on (replicate, fold)" in verdict


def test_captions_say_what_the_numbers_speak_of_and_stay_in_the_window(page: Any) -> None:
    for table in ("conditions", "contrasts-test_accuracy"):
        scope = page.locator(f"#table-{table} caption .scope")
        assert "The numbers speak of new images: other test images like these" in scope.inner_text()
        assert scope.bounding_box()["width"] <= page.viewport_size["width"]


def test_shares_of_the_error_are_a_bar_with_its_numbers_beside(page: Any) -> None:
    cell = page.locator("#table-conditions td:has(svg.parts)").first
    shares = [int(share) for share in re.findall(r"(\d+)%", cell.inner_text())]
    widths = cell.locator("rect").evaluate_all("parts => parts.map(part => part.getBoundingClientRect().width)")
    assert len(shares) == 3
    assert [width / sum(widths) for width in widths] == pytest.approx([share / 100 for share in shares], abs=0.01)


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(page: Any) -> None:
    def column() -> list[float]:
        cells = "#table-conditions tbody td:nth-child(3)"
        return list(map(float, page.eval_on_selector_all(cells, "cells => cells.map(c => c.dataset.sort)")))

    heading = page.locator("#table-conditions thead th", has_text="test accuracy")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    first, second = column()[:3], column()[3:]
    assert (first, second) == (sorted(first), sorted(second)), "within each group"
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    first, second = column()[:3], column()[3:]
    assert (first, second) == (sorted(first, reverse=True), sorted(second, reverse=True))
    assert "Sorted by" in page.inner_text("#announcer")


def test_typing_filters_the_rows(page: Any) -> None:
    filtering = page.locator("#conditions").get_by_label("Rows with")
    visible = "rows => rows.filter(row => row.offsetParent).map(row => row.cells[0].innerText)"
    first, second = (f"cnn, width 0.05, sound protocol, {folds} folds, batches of 20" for folds in (3, 4))
    filtering.fill("no regularizer")
    shown = page.eval_on_selector_all("#table-conditions tbody tr", visible)
    assert shown == [first, "no regularizer", second, "no regularizer"], "a group keeps its caption"
    assert "2 of 6" in page.inner_text("#conditions [role=status]")
    filtering.fill("12/12 no regularizer")
    assert page.eval_on_selector_all("#table-conditions tbody tr", visible) == [second, "no regularizer"]


def test_a_mark_tells_its_numbers(page: Any) -> None:
    mark = page.locator("#figure-scores svg .mark-symbol path").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "test accuracy" in page.inner_text("#vg-tooltip-element")


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


def test_a_trial_opens_and_draws_its_curves(page: Any) -> None:
    page.locator("details.trial summary").first.click()
    page.wait_for_selector("details.trial[open] [data-drawn] svg")
    assert page.locator("details.trial[open] table tbody tr").count() == 3


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
