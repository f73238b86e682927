"""The other processes of a trial on several devices of this machine, without Ray.

Each is a Python process of its own that reads what to do from a pipe and ends with it. It is no copy of this process
and does not import the user's script again, as those of `multiprocessing` would be and do.
"""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import torch
from torch.distributed import FileStore  # type: ignore[attr-defined]

from tune_app.data import Data
from tune_app.errors import FitError, describe_error
from tune_app.executors.scratch import hold_folder
from tune_app.study import TrialSpec
from tune_app.trial.devices import LEFT, LOST, TRAINED, Meeting, Peer, warm_up

READY = "(ready)"
SETTLE_SECONDS = {True: 60.0, False: 10.0}  # for answers: after a fit that was trained, after one that failed


@dataclass
class LocalProcess:
    """A process that can be a trial's peer, and the pipe to it."""

    process: "subprocess.Popen[bytes]"
    pipe: Connection
    is_busy: bool = False  # in the middle of a fit

    def tell(self, content: Any) -> None:
        """Send what to do; one that has ended shows by its silence."""
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(pickle.dumps(content))

    def hear(self) -> str:
        """Its next answer, LOST if it has ended."""
        try:
            return str(self.pipe.recv())
        except (EOFError, OSError):
            return LOST

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


class Processes:
    """Processes that wait to be peers: starting one takes seconds, so that the next trial takes over the last one's."""

    def __init__(self) -> None:
        self._idle: list[LocalProcess] = []

    def take(self) -> LocalProcess:
        """One that waits, or a new one."""
        while self._idle:
            found = self._idle.pop()
            if found.process.poll() is None:
                return found
            found.end()
        ours, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-c", f"from {__name__} import serve; serve({number})"]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            # In a session of its own: Ctrl-C is for the process that started it, which ends it.
            process = subprocess.Popen(
                command, pass_fds=[number], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
            )
        return LocalProcess(process, ours)

    def give_back(self, process: LocalProcess) -> None:
        self._idle.append(process)

    def close(self) -> None:
        """End those that wait."""
        while self._idle:
            self._idle.pop().end()


class LocalPeers:
    """The peers of a trial as processes of this machine: `tune_app.trial.devices.Peers`.

    They meet by a file in a folder of this user's own, and talk over the loopback interface alone.
    """

    def __init__(self, processes: Processes, spec: TrialSpec, data: Data, device: torch.device, **options: Any) -> None:
        self._processes = processes
        self._content = {"spec": spec, "data": data, "options": options}
        self._device = device
        self._size = spec.recipe.devices
        self._peers: dict[int, LocalProcess] = {}
        self._held = contextlib.ExitStack()
        self._folder = self._held.enter_context(hold_folder())
        self._meetings = 0

    def begin(self, fold: int) -> Meeting:
        self._meetings += 1
        path = str(self._folder / f"meeting-{self._meetings}")
        self._start([rank for rank in range(1, self._size) if rank not in self._peers])
        for peer in self._peers.values():
            peer.tell((fold, path))
        lost = [rank for rank, peer in self._peers.items() if peer.hear() == LOST]  # since the last fit
        for rank in lost:
            self._peers.pop(rank).end()
        self._start(lost)
        for rank in lost:
            self._peers[rank].tell((fold, path))
            self._peers[rank].hear()
        for peer in self._peers.values():
            peer.is_busy = True
        return build_meeting(path, self._size)

    def _start(self, ranks: list[int]) -> None:
        """Have these set the trial up, at the same time."""
        for rank in ranks:
            device = torch.device("cuda", rank) if self._device.type == "cuda" else self._device
            self._peers[rank] = self._processes.take()
            self._peers[rank].tell(self._content | {"rank": rank, "device": device})
        if ranks:
            warm_up()  # in the meantime
        for rank in ranks:
            told = self._peers[rank].hear()
            if told != READY:
                self._peers.pop(rank).end()
                raise FitError(f"device {rank + 1} of {self._size} cannot be used: {told}")

    def settle(self, is_trained: bool) -> list[str]:
        ends: dict[int, str] = {}
        while waiting := {peer.pipe: rank for rank, peer in self._peers.items() if rank not in ends}:
            answered = wait(list(waiting), SETTLE_SECONDS[is_trained])
            ends |= {waiting[pipe]: self._peers[waiting[pipe]].hear() for pipe in answered}  # type: ignore[index]
            if not answered:
                ends |= dict.fromkeys(waiting.values(), LEFT)
        for rank, end in ends.items():
            if end == TRAINED:
                self._peers[rank].is_busy = False
            else:
                self._peers.pop(rank).end()
        return [ends[rank] for rank in sorted(ends)]

    def close(self) -> None:
        for peer in self._peers.values():
            if peer.is_busy:
                peer.end()
            else:
                self._processes.give_back(peer)
        self._peers.clear()
        self._held.close()


def build_meeting(path: str, size: int) -> Meeting:
    """The meeting at a file of this machine."""
    names = [name for _, name in socket.if_nameindex()]
    return Meeting(FileStore(path, size), "lo" if "lo" in names else "")


def serve(number: int) -> None:
    """Be a peer of one trial after another, told what to do over the pipe of that number, until it is closed."""
    peer: Peer | None = None
    with Connection(number) as pipe, contextlib.suppress(EOFError, OSError):
        while True:
            content = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from the process that started this one
            if isinstance(content, dict):
                peer = None  # frees its data first
                try:
                    peer = Peer(
                        content["spec"], content["data"], content["rank"], content["device"], **content["options"]
                    )
                except Exception as error:  # whatever the user's own parts raise
                    pipe.send(describe_error(error))
                    continue
                pipe.send(READY)
            elif peer is not None:
                fold, path = content
                pipe.send(READY)
                pipe.send(peer.train(fold, build_meeting(path, peer.trial.spec.recipe.devices)))
