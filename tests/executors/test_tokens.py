"""Ray's token, whatever was imported before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.folders import ROOT


@pytest.mark.slow
def test_a_local_cluster_starts_in_a_process_that_has_imported_ray_before(alone_with_ray: None, tmp_path: Path) -> None:
    """Ray reads once, when it is imported, whether tokens are asked for: this user has one from another time."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    start = "import ray; from tune_app.executors import ray as on_ray; on_ray.start_ray(num_cpus=1); on_ray.stop_ray()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", start]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
