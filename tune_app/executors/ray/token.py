"""The token that keeps others out of a local cluster: there is always one, and this user alone can read it."""

import contextlib
import os
import secrets
from pathlib import Path

from tune_app.data.caches import STAND_IN, find_cache_folder

VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def find_usual() -> Path:
    """Where Ray looks for the token of a user who has named none."""
    return Path.home() / ".ray" / "auth_token"


def has_token() -> bool:
    """Whether this user has one that Ray will find."""
    return any(map(os.environ.get, VARIABLES)) or os.access(find_usual(), os.R_OK)


def keep_token() -> None:
    """Put a token where this user's home takes none, and have Ray read it there; OSError if it cannot be."""
    if has_token():
        return
    home = Path.home()
    above = next(place for place in (find_usual().parent, home) if place == home or os.path.lexists(place))
    is_lasting = not home.name.startswith(STAND_IN)
    if is_lasting and above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return  # Ray writes one there
    path = find_cache_folder() / "ray_token"
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


def close_token() -> None:
    """Ray writes its file as any other, for everybody on this machine to read."""
    with contextlib.suppress(OSError):
        find_usual().chmod(0o600)
