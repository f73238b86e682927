"""A cluster of two nodes on this machine, a core each, that commands join."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.processes import Process, end_all, find_below

RAY = Path(sys.executable).parent / "ray"
START_SECONDS = 120
END_SECONDS = 20


@dataclass
class TwoNodes:
    """`environment` is what a command needs to join at `address`; `second` the id of what started the second node."""

    address: str
    environment: dict[str, str]
    second: int

    def find_raylet(self) -> Process:
        """That of the second node."""
        return next(process for process in find_below(self.second) if "/raylet/raylet " in f"{process.command} ")


@contextlib.contextmanager
def start_two_nodes(logs: Path) -> Iterator[TwoNodes]:
    """Both nodes, until the end of the context."""
    base = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: sockets lie in it
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}
    # Not by the path of the gate: what a node runs has its own environment, and no fault but the loss of the node.
    environment = {**kept, **token, "OMP_NUM_THREADS": "1", "RAY_enable_worker_prestart": "0"}
    address = f"127.0.0.1:{port}"
    same = ["--block", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0", "--num-cpus=1"]
    same += ["--num-gpus=0", "--object-store-memory=100000000"]
    head = ["--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        _start(stack, [*head, f"--temp-dir={base}", *same], environment, logs / "head.log")
        second = _start(
            stack, [f"--address={address}", "--node-ip-address=127.0.0.2", *same], environment, logs / "second.log"
        )
        yield TwoNodes(address, {**token, "RAY_ADDRESS": address}, second)


def _start(stack: contextlib.ExitStack, options: list[str], environment: dict[str, str], log: Path) -> int:
    with log.open("w") as output:
        node = subprocess.Popen(
            [str(RAY), "start", *options],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack.callback(_end, node)
    until = time.monotonic() + START_SECONDS
    while "Ray runtime started" not in log.read_text():
        if node.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"a node did not start:\n{log.read_text()}")
        time.sleep(0.2)
    return node.pid


def _end(node: "subprocess.Popen[bytes]") -> None:
    below = find_below(node.pid)
    if node.poll() is None:
        node.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        node.wait(END_SECONDS)
    if node.poll() is None:
        node.kill()
        node.wait()
    end_all(below, 5.0)
