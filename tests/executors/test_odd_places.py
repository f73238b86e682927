"""Ray in environments unlike a developer's: it starts all the same, or one sentence says why it does not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.folders import ROOT, Folder

pytestmark = [pytest.mark.ray, pytest.mark.slow]
STUDY = """
import os, re, sys
from pathlib import Path
from tune_app.executors import ray as on_ray

def list_sockets(process):
    held = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        try:
            held.add(os.readlink(descriptor))
        except OSError:
            pass
    return {name[8:-1] for name in held if name.startswith("socket:")}

def list_children(root):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    found, more = {root}, {root}
    while more:
        more = {id for id, parent in parents.items() if parent in found} - found
        found |= more
    return found

cluster = on_ray.start_ray(num_cpus=1)
on_ray.start_dashboard()
sockets = set().union(*(list_sockets(process) for process in list_children(os.getpid())))
for table in ("tcp", "tcp6"):
    for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in sockets:
            print("listens", fields[1].rpartition(":")[0])
print("mode", os.stat(Path.home() / ".ray" / "auth_token").st_mode & 0o777)
on_ray.stop_ray()
"""
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def run(*arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    kept |= {"PYTHONPATH": str(ROOT)}
    changed = {name: value for name, value in {**kept, **variables}.items() if value is not None}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=changed, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


def test_nobody_on_another_machine_reaches_ray_and_nobody_else_its_token(tmp_path: Path) -> None:
    done = run("-c", STUDY, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    listening = re.findall(r"listens (\w+)", done.stdout)
    assert len(listening) >= 5
    assert set(listening) <= set(LOOPBACK)
    assert f"mode {0o600}" in done.stdout


def test_a_token_that_is_turned_off_is_warned_of(tmp_path: Path) -> None:
    start = "from tune_app.executors import ray as on_ray; on_ray.start_ray(num_cpus=1); on_ray.stop_ray()"
    done = run("-c", start, HOME=str(tmp_path), RAY_AUTH_MODE="disabled")
    assert "everybody on this machine can run code as you" in done.stderr


def test_a_study_runs_from_a_long_temporary_folder_without_a_home(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "file").touch()
    long = tmp_path / ("x" * 70)
    long.mkdir()
    command = ["-m", "tune_app.grid", *folder.arguments("--no-dashboard")]
    done = run(*command, HOME=str(tmp_path / "file"), TMPDIR=str(long), XDG_CACHE_HOME=None)
    assert done.returncode == 0, done.stderr
    assert set(folder.scores()["status"]) == {"completed"}
    assert not list(long.glob("ray*"))


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nothing"])
def test_a_temporary_folder_that_refuses_is_done_without(folder: Folder, place: str) -> None:
    """Python takes another one then, and Ray's files go where Python's do."""
    done = run("-m", "tune_app.grid", *folder.arguments("--no-dashboard"), TMPDIR=place)
    assert done.returncode == 0, done.stderr
    assert set(folder.scores()["status"]) == {"completed"}


def test_ray_takes_the_cores_that_this_process_may_use(folder: Folder) -> None:
    core = min(os.sched_getaffinity(0))
    script = (
        f"import os; os.sched_setaffinity(0, {{{core}}}); import sys; from tune_app.grid import main; sys.exit(main())"
    )
    done = run("-c", script, *folder.arguments("--no-dashboard"))
    assert done.returncode == 0, done.stderr
    assert '"cpus": 1.0' in (folder.runs / "environment.json").read_text()
