"""Temporary folders: gone at the end of a run, and after a killed one at the start of the next."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tune_app.errors import ResourceError
from tune_app.executors.scratch import find_company, hold_folder, hold_socket_folder, remove_abandoned
from tune_app.session.starting import describe_company

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from tune_app.executors.scratch import hold_folder
with hold_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process, with a folder of its own."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    command, pipe = [sys.executable, "-c", HOLD], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    process.wait()


def test_a_folder_lasts_as_long_as_its_context(temporary: Path) -> None:
    with hold_folder() as folder:
        assert folder.parent == temporary
        assert folder.name.startswith(f"tune_app-{os.getpid()}-")
        (folder / "study").mkdir()
    assert not list(temporary.iterdir())


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = holder
    (folder / "study").mkdir()
    remove_abandoned()
    assert folder.is_dir()
    end(process, signal.SIGKILL)
    assert folder.is_dir(), "killed: it could not clean up"
    with hold_folder() as own:
        assert not folder.exists()
        assert own.is_dir()


def test_a_folder_that_somebody_holds_stays_though_its_process_is_not_seen_here(
    holder: tuple[subprocess.Popen[str], Path], temporary: Path
) -> None:
    """As from a container, whose process ids are its own: the id in the name is that of a process that has ended."""
    process, folder = holder
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    renamed = folder.rename(temporary / f"tune_app-{gone.pid}-container")
    remove_abandoned()
    assert renamed.is_dir()
    end(process, signal.SIGKILL)
    remove_abandoned()
    assert not renamed.exists()


def test_what_is_not_surely_a_killed_runs_folder_stays(temporary: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (temporary / "precious").mkdir()
    for name in ("tune_app-notes", "tune_app-benchmark-1", "other"):
        (temporary / name).mkdir()
    (temporary / f"tune_app-{gone.pid}-file").write_text("a file")
    (temporary / f"tune_app-{gone.pid}-link").symlink_to(temporary / "precious", target_is_directory=True)
    before = sorted(path.name for path in temporary.iterdir())
    remove_abandoned()
    assert sorted(path.name for path in temporary.iterdir()) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_the_folder_of_another_user_stays(temporary: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    theirs = temporary / f"tune_app-{gone.pid}-theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    remove_abandoned()
    assert theirs.is_dir()


def test_another_run_on_the_same_cores_is_seen_and_told_how_to_share(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, _ = holder
    assert find_company() == [process.pid]
    told = describe_company([1], 8)
    assert "`taskset -c 0-3 tune-grid …` and the other as `taskset -c 4-7 tune-grid …`" in told
    end(process, signal.SIGKILL)
    assert find_company() == []


def test_a_path_that_is_too_long_for_sockets_has_a_short_one_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    with hold_socket_folder(42) as folder:
        assert folder is not None
        assert folder.parent == Path("/tmp"), "where temporary files go is short enough"
    for length in (20, 60):
        long = tmp_path / ("x" * length)
        long.mkdir()
        monkeypatch.setenv("RAY_TMPDIR", str(long))
        with hold_socket_folder(42) as folder:
            assert folder is not None
            assert len(os.fsencode(folder)) <= 42
        assert not folder.exists()
    monkeypatch.setattr("tune_app.executors.scratch.SHORT", ())
    with pytest.raises(ResourceError, match="are possible; set RAY_TMPDIR"), hold_socket_folder(42):
        pass


def test_the_place_that_the_user_names_for_ray_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/dev/shm")
    with hold_socket_folder(42) as folder:
        assert folder is not None
        assert folder.parent == Path("/dev/shm")


def test_a_temporary_folder_that_refuses_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with (
        pytest.raises(ResourceError, match="set TMPDIR to another folder, or run with --executor inline"),
        hold_folder(),
    ):
        pass
