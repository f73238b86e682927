"""Addresses where no cluster is: told at once, in a sentence, without Ray."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import write_study_file
from tests.folders import ROOT
from tune_app.errors import ResourceError
from tune_app.executors.address import parse_address, probe_address
from tune_app.grid import main


@pytest.fixture
def listener() -> Iterator[str]:
    """Something that takes connections, at each of this machine's addresses, and says nothing."""
    with socket.socket() as place:
        place.bind(("", 0))
        place.listen()
        yield f"127.0.0.1:{place.getsockname()[1]}"


@pytest.fixture
def deaf() -> Iterator[str]:
    """A port that is taken, so that nobody else comes to listen there."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{place.getsockname()[1]}"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "10.0.0.1",
        "10.0.0.1:",
        ":6379",
        "head:ray",
        "head:0",
        "head:65536",
        "http://head:6379",
        "ray://",
        "automatic",
    ],
)
def test_a_wrong_spelling_is_refused_with_what_is_right(address: str) -> None:
    with pytest.raises(ResourceError, match=r"an address is HOST:PORT or auto; .* such as 10\.0\.0\.1:6379"):
        parse_address(address)


@pytest.mark.parametrize(
    ("address", "place"),
    [("10.0.0.1:6379", ("10.0.0.1", 6379)), ("ray://head:10001", ("head", 10001)), ("[::1]:6379", ("::1", 6379))],
)
def test_an_address_is_a_host_and_a_port(address: str, place: tuple[str, int]) -> None:
    assert parse_address(address) == place


def test_auto_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert parse_address("auto") == ("10.0.0.1", 6379)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert parse_address("auto") is None
    monkeypatch.delenv("RAY_ADDRESS")
    assert parse_address("auto") is None


def test_nothing_listens_there(deaf: str) -> None:
    for address in (deaf, f"ray://{deaf}"):
        with pytest.raises(
            ResourceError, match=rf"^--address {address}: nothing listens there \(Connection refused\);"
        ):
            probe_address(address)


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ResourceError, match=r"no machine is called 'nowhere\.invalid'|nothing answers there"):
        probe_address("nowhere.invalid:6379")


def test_rays_client_is_refused_where_something_listens(listener: str) -> None:
    probe_address(listener)
    with pytest.raises(ResourceError, match="Ray Client would run the study's driver on the head"):
        probe_address(f"ray://{listener}")


def test_the_command_says_so_before_anything_else(
    deaf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study_file(tmp_path)
    places = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    assert main([str(study), "--address", deaf, *places]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ResourceError: --address {deaf}: nothing listens there (Connection refused); give the head")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_other_versions_can_be_admitted_of_a_cluster_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_study_file(tmp_path)), "--mixed-versions"]) == 2
    assert "--mixed-versions is for the nodes of a cluster; add --address" in capsys.readouterr().err


def run_command(folder: Path, *more: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-m", "tune_app.grid", str(write_study_file(folder)), "--device", "cpu", *more],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.ray
@pytest.mark.slow
def test_what_listens_but_is_no_head_is_told_apart(listener: str, tmp_path: Path) -> None:
    done = run_command(tmp_path, "--address", listener)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"--address {listener}: what listens there does not answer as Ray's head does; " in line
