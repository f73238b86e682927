"""One writer at a time, also where the file system knows no locks."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tune_app.errors import RecordError
from tune_app.records import RecordStore, set_records_aside
from tune_app.records.lock import Lock

ROOT = Path(__file__).parents[2]
# A process that takes the lock, says so, and holds it until its input ends; `lacking` makes flock fail.
HOLD = """
import errno, fcntl, os, sys
from pathlib import Path
from tune_app.records.lock import Lock

if {lacking}:
    def refuse(*arguments):
        raise OSError({lacking}, os.strerror({lacking}))
    fcntl.flock = refuse
Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
WITH, WITHOUT = 0, errno.ENOLCK


def hold(folder: Path, lacking: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(lacking=lacking), str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def lack_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.parametrize("lacking", [WITH, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_second_process_is_told_who_holds_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    process = hold(tmp_path, lacking)
    lack_locks(monkeypatch, lacking)
    year = time.strftime("%Y")
    with pytest.raises(RecordError, match=rf"another run of this study: process {process.pid} on .*, since {year}-"):
        Lock(tmp_path)
    process.kill()
    process.communicate()
    Lock(tmp_path).release()  # one that was killed holds nothing
    assert list(tmp_path.iterdir()) == []


def test_where_names_are_locks_one_of_another_machine_is_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lack_locks(monkeypatch, WITHOUT)
    lock = Lock(tmp_path)
    holder = json.loads(lock.path.read_text())
    lock.path.write_text(json.dumps(holder | {"host": "elsewhere", "process": 2**22 - 1}))
    with pytest.raises(RecordError, match=r"on elsewhere.*if it is no longer there, delete .*records\.lock"):
        Lock(tmp_path)
    lock.path.write_text(json.dumps(holder | {"boot": "an earlier start of this machine"}))
    Lock(tmp_path).release()
    lock.release()


def test_a_folder_that_is_moved_takes_no_lock_along(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    for _ in range(3):  # within one second
        RecordStore(folder).close()
        aside = set_records_aside(folder)
        assert aside
        assert [path.name for path in aside.iterdir()] == ["records.jsonl"]
    assert len(list(tmp_path.glob("study.before-*"))) == 3
