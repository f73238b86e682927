"""The cache folder and the home of this user, also where there is no home, or none that can be written."""

import contextlib
import os
import tempfile
from pathlib import Path

import platformdirs

STAND_IN = "tune_app-cache-"  # in the temporary folder; then comes the user's id


def find_cache_folder() -> Path:
    """Where unpacked data sets and measured times go: the user's cache folder for this package.

    Without a home that can be written it is one of this user's in the temporary folder.
    """
    with contextlib.suppress(RuntimeError):  # there is no home; of an earlier platformdirs the path begins with `~`
        folder = platformdirs.user_cache_path("tune_app")
        if folder.is_absolute() and _can_be_used(folder):
            return folder
    name = f"{STAND_IN}{os.getuid()}"
    try:
        beside = Path(tempfile.gettempdir()) / name
        # Another user may have put a folder of that name there, and would choose what is read.
        return beside if _is_ours(beside) else Path(tempfile.mkdtemp(prefix=f"{name}-"))
    except OSError:  # nothing can be written anywhere: whoever needs the folder says so
        return Path("/tmp") / name


def ensure_home() -> None:
    """Where this user has no home at all (a container's user without an entry in passwd), take the cache folder for it.

    Other packages ask for it as soon as they are imported.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(find_cache_folder())


def _can_be_used(folder: Path) -> bool:
    """Whether it is there, or can be made."""
    if folder.is_dir():
        return os.access(folder, os.R_OK | os.X_OK)
    above = next((place for place in folder.parents if place.exists()), folder)
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def _is_ours(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
    except OSError:
        return False
