"""What of a user's files is copied for a cluster, and that the copy is enough."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executors.second_node import ROOT, study_content, write_users_files
from tune_app.errors import StudyError
from tune_app.executors import staging
from tune_app.executors.arrival import find_lacking_parts
from tune_app.parts.fingerprints import fingerprint_definition
from tune_app.parts.references import Scope
from tune_app.study.define import Definition


def definitions_of(**changes: Any) -> dict[str, Definition]:
    return {name: Definition.model_validate(part) for name, part in (study_content()["define"] | changes).items()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's project; it and the packages are on the path, nothing of them is imported."""
    project = write_users_files(tmp_path / "mine")
    for folder in (project, project / "src", tmp_path / "mine" / "lab" / "src"):
        monkeypatch.syspath_prepend(str(folder))
    names = ("my_nets", "losses", "smoothing", "load", "lab_layers", "lab_base")
    for name in names:  # another test's modules of these names, which resolving a reference would replace
        sys.modules.pop(name, None)
    yield project
    for name in names:  # finding a module in a package imports the package
        sys.modules.pop(name, None)


def stage(project: Path, folder: Path, **changes: Any) -> Path:
    return staging.stage_study(folder, Scope(project, ("lab_layers",)), definitions_of(**changes))


def test_the_copy_is_enough_to_build_a_network_where_the_users_folder_is_not(project: Path, tmp_path: Path) -> None:
    staged = stage(project, tmp_path / "staged")
    (tmp_path / "mine").rename(tmp_path / "gone")
    code = (
        "from tune_app.executors.staging import use_staged_study\n"
        "root = use_staged_study()\n"
        "assert root == use_staged_study()\n"
        "import losses, my_nets.nets, lab_layers\n"
        "losses.softened()\n"
        "print(len(my_nets.nets.build_net(inputs=(13,), outputs=3)), (root / 'weights' / 'start.pt').is_file())"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(staged.parent), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["3", "True"], done.stderr


def test_source_and_named_files_travel_and_nothing_else(project: Path, tmp_path: Path) -> None:
    (project / "src" / "my_nets" / "scans.npz").write_bytes(b"large")
    (project / "unused.py").write_text("")
    hidden = project / "src" / "my_nets" / ".cache" / "old.py"
    environment = project / "src" / "my_nets" / "venv" / "lib" / "site-packages" / "other.py"
    for path in (hidden, environment):
        path.parent.mkdir(parents=True)
        path.write_text("")
    staged = stage(project, tmp_path / "staged")
    copy = staged / tmp_path.relative_to("/") / "mine"
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == {
        "project/src/my_nets/__init__.py",
        "project/src/my_nets/nets.py",
        "project/src/my_nets/depth.py",
        "project/losses.py",
        "project/smoothing.py",
        "project/load.py",
        "project/channels.json",
        "project/weights/start.pt",
        "lab/src/lab_layers/__init__.py",
        "lab/src/lab_base.py",
    }


def test_a_file_outside_the_study_is_found_by_the_same_relative_path(project: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "shared.json").write_text("{}")
    named = {"model": "my_nets.nets:build_net", "files": ["../shared.json", "/etc/hostname"]}
    staged = stage(project, tmp_path / "staged", net=named)
    copy = staged / project.relative_to("/")
    assert (copy / "../shared.json").read_text() == "{}"
    assert not (staged / "etc").exists(), "an absolute path is one that every node has"


def test_more_than_a_cluster_is_sent_is_refused_with_the_largest_file(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MOST_BYTES", 1 << 20)
    (project / "large.bin").write_bytes(bytes(2 << 20))
    with pytest.raises(
        StudyError, match=r"have 2 MiB, a cluster is sent at most 1 MiB \(the largest is .*large\.bin\)"
    ):
        stage(project, tmp_path / "staged", net={"model": "my_nets.nets:build_net", "files": ["large.bin"]})


def test_a_part_of_another_version_is_told(project: Path) -> None:
    parts = {"softened": definitions_of()["softened"]}
    here = {"softened": fingerprint_definition(parts["softened"], project)}
    assert find_lacking_parts(parts, {}, here, project) == []
    (project / "losses.py").write_text("def softened(amount: float = 0.1):\n    return None\n")
    (told,) = find_lacking_parts(parts, {}, here, project)
    assert "losses:softened has another source or version" in told
