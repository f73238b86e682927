"""A cluster of two nodes on this machine, the second of which does not see the user's files; and what lies there."""

import contextlib
import os
import secrets
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

ROOT = Path(__file__).parents[2]
RAY = Path(sys.executable).parent / "ray"
HOST = "second-node"  # what the other node calls itself
START_SECONDS = 60
SECONDS_TO_END = 15
FILES = {
    "project/src/my_nets/__init__.py": "",
    "project/src/my_nets/nets.py": """
        import json
        from pathlib import Path
        from lab_layers import build_activation
        from torch import nn
        from .depth import add_layer

        CHANNELS = Path(__file__).parents[2] / "channels.json"

        def build_net(*, inputs, outputs):
            width = json.loads(CHANNELS.read_text())["width"]
            return nn.Sequential(*add_layer(inputs[0], width), build_activation(), nn.Linear(width, outputs))
    """,
    "project/src/my_nets/depth.py": """
        from torch import nn

        def add_layer(inputs, width):
            return [nn.Linear(inputs, width)]
    """,
    "project/losses.py": """
        def softened(amount: float = 0.1):
            from smoothing import smooth

            return smooth(amount)
    """,
    "project/smoothing.py": """
        from torch.nn.functional import cross_entropy

        def smooth(amount):
            return lambda outputs, targets: cross_entropy(outputs, targets, label_smoothing=amount)
    """,
    "project/load.py": """
        import numpy as np
        from sklearn.datasets import load_wine

        import tune_app

        def load(root):
            assert (root / "wine.txt").is_file()
            found = load_wine()
            return tune_app.Data(found.data.astype(np.float32), found.target.astype(np.int64), ("a", "b", "c"))
    """,
    "project/wine.txt": "what the loader reads\n",
    "project/lonely.py": """
        from torch import nn

        import only_here

        def build_net(*, inputs, outputs):
            return nn.Linear(inputs[0], outputs)
    """,
    "project/channels.json": '{"width": 6}',
    "lab/src/lab_layers/__init__.py": """
        import lab_base
        from torch import nn

        def build_activation():
            return lab_base.ACTIVATION()
    """,
    "lab/src/lab_base.py": "from torch import nn\n\nACTIVATION = nn.Tanh\n",
}


def write_users_files(folder: Path) -> Path:
    """A project in a `src` layout, and packages that are installed in editable mode; the project's folder."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = content.removeprefix("\n").splitlines()
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + "\n")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(13, 6), nn.Tanh(), nn.Linear(6, 3))
    (folder / "project" / "weights").mkdir()
    torch.save(network.state_dict(), folder / "project" / "weights" / "start.pt")
    return folder / "project"


def build_environment(folder: Path) -> Path:
    """The user's environment: what is here, `only_here`, and the user's packages as pip installs them with `-e`."""
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    installed = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (installed / "only_here.py").write_text("")
    (installed / "installed_here.pth").write_text("\n".join(site.getsitepackages()))
    (installed / "__editable__.my_nets-1.pth").write_text(str(folder / "project" / "src"))
    (installed / "__editable__.lab_layers-1.pth").write_text(str(folder / "lab" / "src"))
    return folder / "venv" / "bin" / "python"


def study_content(**changes: Any) -> dict[str, Any]:
    """A study of 2 conditions on scikit-learn's wine, in 2 folds of 2 epochs."""
    net = {"model": "my_nets.nets:build_net", "files": ["channels.json"], "weights": "weights/start.pt"}
    content: dict[str, Any] = {
        "name": "travels",
        "define": {
            "wine": {"data": "load:load", "files": ["wine.txt"]},
            "net": net,
            "softened": {"loss": "losses:softened", "amount": 0.05},
        },
        "data": "wine",
        "test": "none",
        "recipe": {"epochs": 2, "batch_size": 32, "loss": "softened"},
        "grid": [{"model": "net", "folds": 2, "learning_rate": [0.01, 0.1]}],
    }
    return content | changes


def write_study(project: Path, **changes: Any) -> None:
    (project / "study.yaml").write_text(yaml.safe_dump(study_content(**changes), sort_keys=False))


@contextlib.contextmanager
def start_cluster(hidden: Path, logs: Path) -> Iterator[dict[str, str]]:
    """A head without a core, and a node that sees neither `hidden` nor this checkout's package.

    What it gives is the environment of a command that joins, its address in RAY_ADDRESS. The second node has a process
    tree, mounts and a host name of its own: it ends with its first process.
    """
    base = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: sockets lie in it
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}
    environment |= {**token, "OMP_NUM_THREADS": "1", "RAY_enable_worker_prestart": "0"}
    same = ["--block", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"]
    same += ["--object-store-memory=100000000"]
    head = [f"--port={address.rpartition(':')[2]}", "--node-ip-address=127.0.0.1", "--num-cpus=0", "--num-gpus=0"]
    head += ["--head", "--include-dashboard=false", f"--temp-dir={base}"]
    second = [f"--address={address}", "--node-ip-address=127.0.0.2", "--num-cpus=1", "--num-gpus=0"]
    apart = "".join(f"mount -t tmpfs none '{place}' && " for place in (hidden, ROOT / "tune_app", base))
    apart += f'hostname {HOST} && cd / && exec "$0" "$@"'
    alone = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", apart]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        _start(stack, [str(RAY), "start", *head, *same], environment, logs / "head.log")
        _start(stack, [*alone, str(RAY), "start", *second, *same], environment, logs / "second.log")
        yield {**environment, "RAY_ADDRESS": address, "PYTHONPATH": str(ROOT)}


def _start(stack: contextlib.ExitStack, command: list[str], environment: dict[str, str], log: Path) -> None:
    """Start a node and wait until it says so; with the stack it ends, and every process in its group."""
    with log.open("w") as output:
        node = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    stack.callback(_end, node, SECONDS_TO_END if command[0] == str(RAY) else 0)
    until = time.monotonic() + START_SECONDS
    while "Ray runtime started" not in log.read_text():
        if node.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{' '.join(command)} did not start:\n{log.read_text()}")
        time.sleep(0.2)


def _end(node: subprocess.Popen[bytes], seconds: float) -> None:
    """Give the node time to end its processes, then end its group; in `unshare` everything ends with the first."""
    if seconds:
        node.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait(SECONDS_TO_END)
