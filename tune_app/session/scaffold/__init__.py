"""The study that `tune-grid init` writes: a study file, a network and a loader, which run as they stand."""

import re
from importlib.resources import files
from pathlib import Path

from tune_app.errors import StudyError
from tune_app.records.files import write_whole

STUDY, NETWORK, LOADER = "study.yaml", "nets.py", "load.py"
NAME = "my_study"  # in the study file as it ships, replaced by the folder's


def write_scaffold(folder: Path) -> list[Path]:
    """Write the three files into a new or empty folder and return their paths, the study file first.

    Hidden files, such as those of git, may be there. Raises StudyError if anything else is, and if nothing can be
    written; what was written by then is removed.
    """
    try:
        _check_empty(folder)
        return _write(folder)
    except OSError as error:
        raise StudyError(f"{folder} cannot be written: {error.strerror}; give a folder elsewhere") from error


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudyError(f"{folder} is a file; a study starts in a new or empty folder: give another name")
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if found:
        some = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise StudyError(f"{folder} holds {some}; a study starts in a new or empty folder: give another name")


def _write(folder: Path) -> list[Path]:
    texts = {name: files(__name__).joinpath(name).read_text(encoding="utf-8") for name in (STUDY, NETWORK, LOADER)}
    texts[STUDY] = texts[STUDY].replace(f'"{NAME}"', f'"{_name_study(folder)}"')
    paths = [folder / name for name in texts]
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, texts.values(), strict=True):
            write_whole(path, text)
    except BaseException:  # an interrupt, too, leaves nothing behind
        _remove(paths, missing)
        raise
    return paths


def _remove(paths: list[Path], made: list[Path]) -> None:
    """Take away files and then the folders that were made for them, the innermost first."""
    for path in paths:
        if path.is_file():
            path.unlink()
    for place in made:
        if place.is_dir():
            place.rmdir()


def _name_study(folder: Path) -> str:
    """The folder's name with nothing in it that a study's name must not have."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("._-")
    return name[:64] or NAME
