"""The guide's pictures: the first screen of studies' pages, from their results folders, as small PNG files.

    python docs/pictures.py                                     those of results/quick, report and audit
    python docs/pictures.py my_study=some/results/my_study      another one, as docs/pictures/my_study.png
    python docs/pictures.py watch=http://127.0.0.1:8280/…       the page of a running study, as --watch prints it

It needs Playwright (requirements-dev.txt) and a Chromium.
"""

import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
STUDIES = ("quick", "report", "audit")
WIDTH, HEIGHT = 1280, 900  # CSS pixels: a desktop window
COLOURS = 128
PATIENCE = 300_000  # ms: a page of hundreds of trials, on a machine that is busy


def take_picture(browser: Browser, address: str) -> Image.Image:
    """The first screen of a page, light, as (HEIGHT, WIDTH) pixels."""
    view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce")
    view.goto(address, timeout=PATIENCE)
    view.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(view.screenshot(timeout=PATIENCE)))
    view.close()
    return picture.convert("RGB").quantize(COLOURS)


def main(arguments: Sequence[str]) -> int:
    """Take the pictures that `NAME=FOLDER` or `NAME=ADDRESS` name, or those of the committed results; the exit code."""
    wanted = [f"{name}={ROOT / 'results' / name}" for name in STUDIES]
    places = {name: place for name, _, place in (each.partition("=") for each in arguments or wanted)}
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, place in places.items():
            path = PICTURES / f"{name}.png"
            is_address = place.startswith("http://")
            address = place if is_address else (Path(place) / "index.html").resolve().as_uri()
            take_picture(browser, address).save(path, optimize=True)
            sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
