"""Machines that are none: network namespaces of this one, each with an address, a host name and a view of the disk."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
RAY = Path(sys.executable).parent / "ray"
NET = "10.77.0"  # nobody else's: the bridge lies in a namespace of its own
HEAD = f"{NET}.1:6379"
START_SECONDS = 120
END_SECONDS = 15


def find_obstacle() -> str:
    """Why no such machines can be made here, empty if they can."""
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "`ip` or `unshare` is not installed"
    command = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "sh", "-c"]
    command += ["mount -t tmpfs none /mnt && ip link add bridge0 type bridge && ip netns list"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return tried.stderr.strip() if tried.returncode else ""


@dataclass
class Machines:
    """A head without a core at 10.77.0.1, and nodes at the addresses that follow, in the order of their names."""

    base: Path  # of Ray's files on the head
    logs: Path
    hidden: Sequence[Path]  # what the nodes do not see
    environment: dict[str, str]
    places: dict[str, str] = field(default_factory=dict)  # their addresses
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def add_head(self) -> None:
        options = ["--head", "--port=6379", f"--node-ip-address={NET}.1", "--num-cpus=0", "--num-gpus=0"]
        options += ["--include-dashboard=false", f"--temp-dir={self.base}"]
        self._start("head", options, {})

    def add_node(self, name: str, **environment: str) -> None:
        """A machine with one core, which sees this Python and none of the source."""
        options = [f"--address={HEAD}", f"--node-ip-address={self.places[name]}", "--num-cpus=1", "--num-gpus=0"]
        self._start(name, options, environment)

    def kill(self, name: str) -> None:
        """As when the plug is pulled: every process of the machine."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait(END_SECONDS)

    def kill_all(self) -> None:
        for name in self.processes:
            self.kill(name)

    def on(self, name: str, *command: str) -> list[str]:
        """The command as one types it on a machine: the head has this one's disk, a node neither it nor the source."""
        enter = ["ip", "netns", "exec", self.name_space(name)]
        if name == "head":
            return [*enter, *command]
        apart = "".join(f"mount -t tmpfs none '{each}' && " for each in (*self.hidden, self.base))
        apart += f'hostname {name} && cd / && exec "$0" "$@"'
        alone = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", apart]
        return [*enter, *alone, *command]

    def name_space(self, name: str) -> str:
        return f"{self.base.name}-{name}"

    def connect(self, name: str, place: str) -> None:
        """Give a machine its network card: the head's is the bridge that the others' hang on."""
        here, there = self.name_space(name), self.name_space("head")
        run_ip("netns", "add", here)
        run_ip("-n", here, "link", "set", "lo", "up")
        card = "bridge0" if name == "head" else "eth0"
        if name == "head":
            run_ip("-n", here, "link", "add", card, "type", "bridge")
        else:
            link = f"to-{name}"
            run_ip("link", "add", link, "netns", there, "type", "veth", "peer", "name", card, "netns", here)
            run_ip("-n", there, "link", "set", link, "master", "bridge0", "up")
        run_ip("-n", here, "address", "add", f"{place}/24", "dev", card)
        run_ip("-n", here, "link", "set", card, "up")
        run_ip("-n", here, "route", "add", "default", "dev", card)  # programs ask it for their own address
        self.places[name] = place

    def _start(self, name: str, options: list[str], more: Mapping[str, str]) -> None:
        same = ["--block", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"]
        same += ["--object-store-memory=100000000"]
        log = self.logs / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                self.on(name, str(RAY), "start", *options, *same),
                env={**self.environment, **more},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        until = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in log.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not start:\n{log.read_text()}")
            time.sleep(0.2)


@contextlib.contextmanager
def build_machines(names: Sequence[str], logs: Path, hidden: Sequence[Path]) -> Iterator[Machines]:
    """The network of a head and the nodes with these names; they are started by hand, and end with the context."""
    base = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: sockets lie in it
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "RAY_"))}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**kept, **token, "OMP_NUM_THREADS": "1", "RAY_enable_worker_prestart": "0"}
    machines = Machines(base, logs, [*hidden, ROOT / "tune_app"], environment)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        for number, name in enumerate(("head", *names), start=1):
            stack.callback(remove, machines.name_space(name))
            machines.connect(name, f"{NET}.{number}")
        stack.callback(machines.kill_all)
        yield machines


def remove(name_space: str) -> None:
    """With what is left in it; one that was never made is no matter."""
    subprocess.run(["ip", "netns", "delete", name_space], check=False, capture_output=True, timeout=END_SECONDS)


def run_ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=END_SECONDS)
