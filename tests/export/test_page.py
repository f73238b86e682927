"""The page in a real browser: nothing leaves it, tables sort and filter, figures answer, text is text."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.builders import build_results, build_study
from tests.export.page_results import HOSTILE, build_page_results
from tune_app.export.folder import write_results
from tune_app.export.frames import build_frames
from tune_app.export.page import PAGE_FILE, write_page
from tune_app.export.page.baseline import build_choice
from tune_app.export.tables.document import build_tables


def test_the_page_is_one_file_without_addresses_of_others(folder: Path) -> None:
    page = (folder / PAGE_FILE).read_text()
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    beside = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    linked = set(re.findall(r"""(?:src|href)=["'](?!#|data:)([^"']*)""", markup))
    assert linked - beside == set(), "links lead to files of the folder"
    assert {"folds.csv", "folds.parquet", "records.jsonl", "table.tex"} <= linked
    assert "default-src 'none'" in page
    assert "unsafe" not in re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    assert len(page.encode()) < 5e6


def test_text_of_the_user_is_escaped(folder: Path) -> None:
    page = (folder / PAGE_FILE).read_text()
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.slow
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


def test_the_page_fits_the_window_and_draws_its_figures(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    drawn = page.eval_on_selector_all(
        "#answer [data-chart], #contrasts > figure [data-chart]",
        "charts => charts.map(c => c.querySelectorAll('svg').length)",
    )
    assert drawn == [1, 1]
    assert page.locator("#figures svg").count() == 0, "what is folded is not drawn"


def test_the_first_thing_said_is_the_answer(page: Any) -> None:
    headings = page.eval_on_selector_all("main h2", "all => all.map(h => h.textContent)")
    assert headings[0] == "In short"
    assert " has the highest test accuracy, 0.9" in page.inner_text(".headline")
    assert "The claim is supported." in page.inner_text("#answer")
    assert page.locator(".headline").bounding_box()["y"] < 450


def test_a_verdict_is_a_word_and_a_shape_with_its_interval_drawn(page: Any) -> None:
    row = page.locator("table.verdicts tbody tr").first
    assert "✓ supported" in row.inner_text()
    assert HOSTILE in row.inner_text()
    assert re.search(r"\+0\.\d+ \[\+0\.\d+, \+0\.\d+\]", row.inner_text())
    drawing = row.locator("svg.effect")
    assert drawing.get_attribute("aria-label") == "claimed: above 0.001"
    places = drawing.locator("line").evaluate_all("lines => lines.map(line => +line.getAttribute('x1'))")
    assert places == sorted(places), "zero, then the interval above it"


@pytest.mark.slow
def test_a_verdict_opens_to_how_it_came_about(page: Any) -> None:
    claim = page.locator("table.verdicts details").first
    assert not claim.locator("p").first.is_visible()
    claim.locator("summary").press("Enter")
    text = claim.inner_text()
    assert re.search(r"adjusted interval at 95%; p \(Holm\) \S+; speaks of new images", text)
    assert "crossed t-test (fits × images), paired on (replicate, fold)" in text


@pytest.mark.slow
def test_the_link_that_was_followed_is_marked_also_near_the_end_of_the_page(page: Any) -> None:
    current = page.locator("nav a[aria-current]")
    page.click("nav a:text-is('Raw numbers')")
    page.wait_for_function("window.scrollY > 0")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert current.all_inner_texts() == ["Raw numbers"]
    page.keyboard.press("Home")
    page.wait_for_selector("nav a[aria-current]:text-is('In short')", state="attached")


@pytest.mark.slow
def test_the_navigation_stays_and_marks_where_one_is(page: Any) -> None:
    current = page.locator("nav a[aria-current]")
    assert current.inner_text() == "In short"
    page.evaluate("document.getElementById('contrasts').scrollIntoView()")
    page.wait_for_selector("nav a[aria-current]:text-is('Contrasts')", state="attached")
    assert current.count() == 1
    assert page.locator("nav").bounding_box()["y"] == 0
    assert page.locator("#contrasts-title").bounding_box()["y"] > 30, "not behind the navigation"


@pytest.mark.slow
def test_a_link_to_what_is_folded_opens_it(page: Any) -> None:
    link = page.locator("#table-conditions tbody th a").first
    trial = page.locator(f"[id='{link.get_attribute('href').removeprefix('#')}']")
    assert not trial.is_visible()
    link.click()
    trial.locator("[data-drawn] svg").first.wait_for()
    assert trial.locator("table tbody tr").count() == 3


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
        place = heading.evaluate("heading => heading.cellIndex")
        rows = page.locator("#table-conditions tbody tr:not(.group)")
        return list(map(float, rows.evaluate_all("(rows, at) => rows.map(row => row.cells[at].dataset.sort)", place)))

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


def test_rows_are_filtered_by_levels(page: Any) -> None:
    visible = "rows => rows.filter(row => row.offsetParent).map(row => row.cells[0].innerText)"
    first, second = (f"cnn, width 0.05, sound protocol, {folds} folds, batches of 20" for folds in (3, 4))
    tools = page.locator("[data-table=conditions] .tools")
    tools.get_by_label("regularizer").select_option("dropout")
    shown = page.eval_on_selector_all("#table-conditions tbody tr", visible)
    assert shown == [first, "dropout", second, "dropout"], "a group keeps its caption, and dropout+batchnorm is another"
    assert "2 of 6" in tools.get_by_role("status").inner_text()
    tools.get_by_label("folds").select_option("4 folds")
    assert page.eval_on_selector_all("#table-conditions tbody tr", visible) == [second, "dropout"]
    tools.get_by_label("regularizer").select_option("all")
    assert "3 of 6" in tools.get_by_role("status").inner_text()


@pytest.mark.slow
def test_further_columns_show_on_demand(page: Any) -> None:
    seconds = page.locator("#table-conditions thead th", has_text="fits took")
    assert not seconds.is_visible()
    page.locator("[data-table=conditions] .tools").get_by_label("columns").check()
    assert seconds.is_visible()


@pytest.mark.slow
def test_heads_and_first_columns_of_tables_stay(page: Any) -> None:
    page.locator("[data-table=conditions] [data-columns]").check()
    box = page.locator("[data-table=conditions] .scroll")
    box.evaluate("box => { box.style.maxHeight = '8rem'; box.style.maxWidth = '20rem'; box.scrollTo(90, 150); }")
    place = box.bounding_box()
    head = page.locator("#table-conditions thead th").first.bounding_box()
    first = page.locator("#table-conditions tbody th[scope=row]").last.bounding_box()
    assert (head["x"], head["y"], first["x"]) == pytest.approx((place["x"], place["y"], place["x"]), abs=1)


PAIR = {"data": "digits", "metric": "test_accuracy", "unit": "share", "reason": ""}
PAIRS = [  # of three conditions
    {"row": "<a>", "other_row": "b", "effect": 0.02, "ci95_low": 0.01, "ci95_high": 0.03, "p_holm": 0.01},
    {"row": "<a>", "other_row": "c", "effect": 0.04, "ci95_low": -0.01, "ci95_high": 0.09, "p_holm": 0.2},
    {"row": "b", "other_row": "c", "effect": 0.02, "ci95_low": None, "ci95_high": None, "p_holm": None},
]


def build_pair_frame() -> pd.DataFrame:
    statuses = ["decided", "undecided", "refused"]
    return pd.DataFrame([PAIR | pair | {"status": status} for pair, status in zip(PAIRS, statuses, strict=True)])


def test_a_baseline_is_chosen_among_the_conditions_that_all_pairs_are_there_of() -> None:
    pairs = build_pair_frame()
    choice = build_choice(pairs, "b")
    assert choice is not None
    assert (choice.labels, choice.chosen) == (("<a>", "b", "c"), 1)
    assert build_choice(pairs[:2], "b") is None, "of a large study only some are there"
    assert build_choice(None, "b") is None


@pytest.mark.slow
def test_another_baseline_turns_the_pairs_round(browser: Any, tmp_path: Path) -> None:
    results = build_page_results()
    frames = build_frames(results)
    write_page(tmp_path, results, frames | {"pairs": build_pair_frame()}, build_tables(results, frames))
    page = browser.new_page()
    page.goto((tmp_path / PAGE_FILE).as_uri())
    page.wait_for_selector("html[data-ready]")
    page.locator("#baseline > summary").click()
    texts = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    page.get_by_label("Every condition minus").select_option("b")
    first, second = page.eval_on_selector_all("#baseline tbody tr", texts)
    assert first == ["<a>", "+0.020", "[+0.010, +0.030]", "0.010", "decided"]
    assert second == ["c", "−0.0200", "–", "–", "undecided"]
    page.get_by_label("Every condition minus").select_option("<a>")
    first, second = page.eval_on_selector_all("#baseline tbody tr", texts)
    assert first == ["b", "−0.020", "[−0.030, −0.010]", "0.010", "decided"]
    assert second == ["c", "−0.040", "[−0.090, +0.010]", "0.200", "undecided"]
    page.close()


def test_a_mark_tells_its_numbers(page: Any) -> None:
    mark = page.locator("#figure-scores svg .mark-symbol path").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "test accuracy" in page.inner_text("#vg-tooltip-element")


def test_a_trial_opens_and_draws_its_curves(page: Any) -> None:
    page.locator("details.trials > summary").click()
    page.locator("details.trial summary").first.click()
    page.wait_for_selector("details.trial[open] [data-drawn] svg")
    assert page.locator("details.trial[open] table tbody tr").count() == 3
