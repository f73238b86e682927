"""The batch script for SLURM, with a stand-in for `srun` that runs each step on machines of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.executors.machines import ROOT, Machines, build_machines, find_obstacle
from tests.executors.second_node import study_content, write_users_files
from tune_app.records import RUN_FIELDS

SCRIPT = ROOT / "examples" / "cluster" / "slurm.sbatch"
RUN_SECONDS = 500
SRUN = """#!{python}
import json
import os
import signal
import subprocess
import sys

machines = json.loads({machines!r})  # name: how a command is run there
places = json.loads({places!r})
options, command = [], sys.argv[1:]
while command[0].startswith("-"):
    options.append(command.pop(0))
    if options[-1] == "-w":
        options.append(command.pop(0))
given = dict(option.split("=", 1) for option in options if "=" in option)
names = [options[options.index("-w") + 1]] if "-w" in options else [n for n in machines if n != given["--exclude"]]
assert len(names) == int(given["--nodes"]) == int(given["--ntasks"]), (options, names)
if command[0] == "hostname":
    print(*(places[name] for name in names))
    sys.exit()
tasks = [subprocess.Popen([*machines[name], *command], start_new_session=True) for name in names]
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: [os.killpg(task.pid, number) for task in tasks if task.poll() is None])
sys.exit(max(task.wait() for task in tasks))
"""


def write_commands(folder: Path, machines: Machines, names: list[str]) -> None:
    """`srun`, `scontrol` and what the script calls of this package and Ray, as programs in a folder."""
    reach = {name: machines.on(name) for name in names}
    python = f"#!/bin/sh\nPYTHONPATH=${{TUNE_APP_SOURCE:-}} exec {sys.executable}"
    programs = {
        "srun": SRUN.format(python=sys.executable, machines=json.dumps(reach), places=json.dumps(machines.places)),
        "scontrol": f"#!/bin/sh\nprintf '%s\\n' {' '.join(names)}\n",
        "python3": f'{python} "$@"\n',
        "tune-grid": f'{python} -m tune_app.grid "$@"\n',
        "ray": f'#!/bin/sh\nexec {Path(sys.executable).parent / "ray"} "$@"\n',
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def test_the_script_says_what_it_needs() -> None:
    done = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (2, "Name the study: sbatch slurm.sbatch my_study.yaml\n")


def test_the_launchers_file_is_what_rays_schema_allows() -> None:
    jsonschema = pytest.importorskip("jsonschema")  # Ray brings it
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load((SCRIPT.parent / "cluster.yaml").read_text()), schema)


def test_the_job_of_kuberay_has_fields_of_its_reference_alone() -> None:
    """Those of https://docs.ray.io/en/master/cluster/kubernetes/references/api.html that a study needs, with types."""
    group = {"rayStartParams": dict, "template": dict}
    worker = group | {"groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int}
    cluster = {"rayVersion": str, "authOptions": dict, "headGroupSpec": dict, "workerGroupSpecs": list}
    job = {"entrypoint": str, "submissionMode": str, "rayClusterSpec": dict, "shutdownAfterJobFinishes": bool}
    job |= {"ttlSecondsAfterFinished": int, "backoffLimit": int}
    content = yaml.safe_load((SCRIPT.parent / "rayjob.yaml").read_text())
    assert (content["apiVersion"], content["kind"]) == ("ray.io/v1", "RayJob")
    spec = content["spec"]["rayClusterSpec"]
    parts = [(content["spec"], job), (spec, cluster), (spec["headGroupSpec"], group)]
    for part, fields in [*parts, *((each, worker) for each in spec["workerGroupSpecs"])]:
        assert {name: type(value) for name, value in part.items()} == fields
    for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in each["rayStartParams"].values())
        assert each["template"]["spec"]["containers"]
    assert spec["authOptions"] == {"mode": "token"}


@pytest.mark.ray
@pytest.mark.slow
def test_one_batch_script_starts_head_and_worker_runs_the_study_and_ends_them(tmp_path: Path) -> None:
    if obstacle := find_obstacle():
        pytest.skip(f"machines of their own cannot be made here: {obstacle}")
    mine = tmp_path / "mine"
    project = write_users_files(mine)
    (project / "study.yaml").write_text(yaml.safe_dump(study_content(), sort_keys=False))
    names = ["head", "worker"]
    commands = tmp_path / "bin"
    commands.mkdir()
    with build_machines(names[1:], tmp_path, [mine]) as machines:
        write_commands(commands, machines, names)
        environment = machines.environment | {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "TUNE_APP_SOURCE": os.pathsep.join([str(ROOT), str(mine / "project" / "src"), str(mine / "lab" / "src")]),
            "TMPDIR": str(machines.base),  # Ray's files
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NODELIST": "head,worker",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_PER_TASK": "1",
        }
        del environment["RAY_AUTH_TOKEN"], environment["RAY_AUTH_MODE"]
        more = ["--allow", "lab_layers", "--device", "cpu"]
        done = subprocess.run(
            ["bash", str(SCRIPT), "study.yaml", *more],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 nodes have joined." in done.stdout
    there = pd.read_csv(project / "results" / "travels" / "folds.csv")
    assert set(there["status"]) == {"completed"}
    assert "worker" in set(there["host"])
    assert "fit_seconds" in RUN_FIELDS
