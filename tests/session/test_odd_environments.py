"""Environments that are unlike a developer's: what can be done is done, and what cannot is one sentence."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, TextIO, cast

import pytest
from rich.console import Console

from tests.folders import ROOT, Folder, fits_on_disk, wait_for
from tune_app.data.caches import find_cache_folder
from tune_app.monitor.terminal import PlainMonitor, Progress, build_display
from tune_app.session.environment import count_cpus
from tune_app.session.output import SteadyStream, quote_argument
from tune_app.session.studies import find_study

# A container's user without an entry in passwd.
NOBODY = """
import pwd, sys

def refuse(*arguments):
    raise KeyError("uid not found")

pwd.getpwuid = pwd.getpwnam = refuse
from tune_app.grid import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, start: tuple[str, ...] = ("-m", "tune_app.grid"), **changes: Any) -> Any:
    """The command in a process of its own; of the variables, `None` leaves one out."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **changes.pop("env", {})}
    options: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "cwd": ROOT,
        **changes,
    }
    kept = {name: value for name, value in variables.items() if value is not None}
    return subprocess.run([sys.executable, *start, *arguments], env=kept, check=False, timeout=300, **options)


@pytest.mark.slow
def test_a_user_without_a_home_gets_help_and_a_plan(folder: Folder, tmp_path: Path) -> None:
    nowhere = {"HOME": None, "XDG_CACHE_HOME": None, "TUNE_APP_DATA": None, "TMPDIR": str(tmp_path)}
    start = ("-c", NOBODY)
    assert run("--help", start=start, env=nowhere).returncode == 0
    done = run(*folder.arguments("--executor", "inline", "--dry-run"), start=start, env=nowhere)
    assert done.returncode == 0, done.stderr
    assert "2 trials, 6 fits" in done.stdout


@pytest.mark.parametrize("home", [None, "/", "file", "missing"])
def test_a_home_that_takes_no_files_has_a_cache_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.access", lambda path, mode: bool(str(path).strip("/")) and Path(path).exists())
    monkeypatch.setattr("pathlib.Path.expanduser", lambda path: path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", home or "~", 1))
    if home in ("file", "missing"):
        home = str(tmp_path / home)
    monkeypatch.setenv("HOME", home) if home else monkeypatch.delenv("HOME", raising=False)
    found = find_cache_folder()
    assert found.is_absolute()
    if home != str(tmp_path / "missing"):
        assert found.stat().st_mode & 0o77 == 0, "what others could change is no cache"


@pytest.mark.slow
def test_a_full_disk_behind_standard_output_costs_the_output_alone(folder: Folder) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*folder.arguments("--executor", "inline"), stdout=full)
    assert done.returncode == 0
    assert done.stderr == "Standard output cannot be written (No space left on device); everything else goes on.\n"
    assert fits_on_disk(folder) == 6
    assert (folder.results / "table.md").exists()


def test_output_that_cannot_be_written_is_told_once(capfd: Any) -> None:
    with Path("/dev/full").open("w") as full:
        stream = SteadyStream(full, sys.stderr)
        for _ in range(3):
            print("x" * 10_000, file=cast(TextIO, stream), flush=True)
    assert capfd.readouterr().err.count("Standard output cannot be written (No space left on device)") == 1


def test_a_place_whose_name_is_no_text_has_a_study_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    odd = Folder(Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9 au lait")))
    monkeypatch.setattr("sys.argv", ["tune-grid", *odd.arguments()])
    assert odd.run() == 0
    assert "\\udce9 au lait" in capsys.readouterr().out
    assert (odd.results / "index.html").exists()
    assert "caf\\xe9 au lait" in json.loads(odd.results.joinpath("environment.json").read_text())["command"]


@pytest.mark.parametrize(
    ("argument", "spelled"),
    [("plain", "plain"), ("a b", "'a b'"), ("it's", "'it'\"'\"'s'"), ("caf\udce9's", "$'caf\\xe9\\x27s'")],
)
def test_commands_can_be_typed_as_they_are_printed(argument: str, spelled: str) -> None:
    assert quote_argument(argument) == spelled
    done = subprocess.run(["bash", "-c", f"printf %s {spelled}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(argument)


CGROUPS = {
    "none": ({}, 64),
    "of version 2": ({"cpu.max": "150000 100000"}, 1),
    "of version 2, above": ({"../cpu.max": "200000 100000", "cpu.max": "max 100000"}, 2),
    "without a limit": ({"cpu.max": "max 100000"}, 64),
    "less than a core": ({"cpu.max": "20000 100000"}, 1),
    "of version 1": ({"cpu.cfs_quota_us": "300000", "cpu.cfs_period_us": "100000"}, 3),
    "of version 1, without a limit": ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, 64),
}


@pytest.mark.parametrize("kind", CGROUPS)
def test_cores_are_those_that_a_control_group_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    files, cores = CGROUPS[kind]
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(64)))
    is_first = "version 1" in kind
    place = tmp_path / "sys/fs/cgroup" / ("cpu" if is_first else "") / "slice/job"
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:cpu:/slice/job\n" if is_first else "0::/slice/job\n")
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_text(f"{content}\n")
    assert count_cpus(tmp_path) == cores


def test_cores_are_those_that_the_process_is_bound_to() -> None:
    core = min(os.sched_getaffinity(0))
    script = "from tune_app.session.environment import count_cpus; print(count_cpus())"
    done = run(start=("-c", script), preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    assert done.stdout == "1\n"


@pytest.mark.slow
def test_a_terminal_that_closes_leaves_tables(tmp_path: Path) -> None:
    folder = Folder(tmp_path, replicates=4, recipe={"epochs": 30, "batch_size": 2})
    process = folder.start("--executor", "inline")
    wait_for(lambda: fits_on_disk(folder) >= 1, process)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130, err
    assert "Resume with" in out
    assert (folder.results / "table.md").exists()


def test_below_nohup_a_terminal_that_closes_ends_nothing(folder: Folder) -> None:
    script = "import os, signal; from tune_app.session.interrupts import terminate_as_interrupt\n"
    script += "with terminate_as_interrupt(): os.kill(os.getpid(), signal.SIGHUP); print('goes on')"
    done = run(start=("-c", script), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert done.stdout == "goes on\n"


def test_colours_that_are_forced_into_a_file_move_no_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w") as file:
        console = Console(file=file)
        assert console.is_terminal
        assert isinstance(build_display(console, Progress({}, set())), PlainMonitor)


def test_python_without_docstrings_is_told_to_have_them() -> None:
    for module in ("tune_app.grid", "tune_app.report"):
        done = run("x", start=("-m", module), env={"PYTHONOPTIMIZE": "2"})
        assert done.returncode == 2
        assert done.stderr.startswith("PYTHONOPTIMIZE=2 ")
        assert done.stderr.count("\n") == 1


def test_a_study_from_a_pipe_is_read(folder: Folder) -> None:
    end, start = os.pipe()  # as a shell's <(…)
    with os.fdopen(start, "wb") as pipe:
        pipe.write(folder.study.read_bytes())
    assert find_study(f"/dev/fd/{end}").study == find_study(folder.study).study
    os.close(end)


@pytest.mark.slow
def test_more_folds_than_files_that_may_be_open_have_event_files_and_tables(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 110, "engine": "stacked"}]
    folder = Folder(tmp_path, grid=grid)
    done = run(
        *folder.arguments("--executor", "inline"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    )
    assert done.returncode == 0, done.stderr
    assert "stopped" not in done.stderr
    (trial,) = (folder.runs / "tensorboard").iterdir()
    assert len(list(trial.glob("fold-*"))) == 110
    assert (folder.results / "index.html").exists()
