"""What can go wrong with a study that runs: each fault waits for its moment, then happens."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import disk
from tests.chaos.lab import FITS, Lab, pause
from tests.chaos.processes import Process, find_below
from tests.chaos.two_nodes import TwoNodes

WAIT_SECONDS = 240.0
HUNG_SECONDS = "20s"  # of silence; a report comes every few tenths of a second


class TooLateError(Exception):
    """The command had ended before the moment came."""


@dataclass
class Scene:
    """A command that runs, and what the seed has to say."""

    lab: Lab
    process: "subprocess.Popen[bytes]"
    numbers: random.Random
    nodes: TwoNodes | None = None
    moment: str = "before it had begun"
    fillers: list[Path] = field(default_factory=list)  # files to be deleted before the command runs again
    kills_driver: bool = False

    def wait_for(self, condition: Callable[[], bool], moment: str) -> None:
        """Until the condition holds; `moment` says when that is."""
        until = time.monotonic() + WAIT_SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > until:
                raise TooLateError(f"the command ended before {moment}, with exit code {self.process.poll()}")
            time.sleep(0.01)
        self.moment = moment

    def find_trials(self) -> list[Process]:
        """The actors of the command, in the order of their start."""
        found = (each for each in find_below(self.process.pid) if each.is_trial)
        return sorted(found, key=lambda each: int(each.born))

    def signal(self, *numbers: signal.Signals) -> None:
        """As a terminal sends SIGINT: to the whole group of processes; other signals to the driver alone."""
        for place, number in enumerate(numbers):
            if place:
                pause(self.numbers, 0.6)
            with contextlib.suppress(ProcessLookupError):  # one may suffice
                (os.killpg if number == signal.SIGINT else os.kill)(self.process.pid, number)
            self.kills_driver |= number == signal.SIGKILL


Moment = Callable[[Scene], None]
Act = Callable[[Scene], None]


def at_start(scene: Scene) -> None:
    """While Ray starts, or the study is prepared."""
    if "--executor" in scene.lab.options:
        pause(scene.numbers, 2.0)
    else:
        scene.wait_for(
            lambda: any("gcs_server" in each.command for each in find_below(scene.process.pid)), "Ray's start"
        )
        pause(scene.numbers, 4.0)
    scene.wait_for(lambda: True, "the start")


def in_fits(scene: Scene) -> None:
    fits = scene.numbers.randint(1, FITS - 2)
    scene.wait_for(lambda: scene.lab.fits_on_disk >= fits, f"fit {fits} of {FITS}")
    pause(scene.numbers, 0.2)


def in_export(scene: Scene) -> None:
    files = scene.numbers.randint(1, 12)
    scene.wait_for(
        lambda: scene.lab.fits_on_disk >= FITS and scene.lab.files_of_results >= files, f"file {files} of the tables"
    )


def send(*numbers: signal.Signals) -> Act:
    return lambda scene: scene.signal(*numbers)


def kill_a_trial(scene: Scene) -> None:
    scene.wait_for(lambda: bool(scene.find_trials()), scene.moment)
    scene.numbers.choice(scene.find_trials()).send(signal.SIGKILL)


def kill_all_trials(scene: Scene) -> None:
    scene.wait_for(lambda: bool(scene.find_trials()), scene.moment)
    for trial in scene.find_trials():
        trial.send(signal.SIGKILL)


def stop_a_trial(scene: Scene) -> None:
    scene.wait_for(lambda: bool(scene.find_trials()), scene.moment)
    scene.numbers.choice(scene.find_trials()).send(signal.SIGSTOP)


def kill_raylet(scene: Scene) -> None:
    if scene.nodes:
        scene.nodes.find_raylet().send(signal.SIGKILL)


def kill_of_ray(name: str) -> Act:
    """A process of the Ray that the command has started."""

    def kill(scene: Scene) -> None:
        for process in find_below(scene.process.pid):
            if process.command.partition(" ")[0].endswith(name):
                process.send(signal.SIGKILL)
        scene.kills_driver = True  # it may have to leave Ray's core behind, and its files

    return kill


def fail_once(fault: str) -> Act:
    return lambda scene: (scene.lab.gate / f"once-{fault}").touch()


def fill_disk(scene: Scene) -> None:
    place = next(path for path in find_disks(scene.lab).values() if os.path.ismount(path))
    scene.fillers.append(disk.fill(place, scene.numbers.randint(0, 3)))


def find_disks(lab: Lab) -> Mapping[str, Path]:
    """What may lie on a disk of its own, and where."""
    return {
        "tensorboard": lab.runs / "tensorboard",
        "outputs": lab.runs / "outputs",
        "tables": lab.results,
        "records": lab.runs,
    }


def truncate_records(scene: Scene) -> None:
    """Kill the driver, and cut its last lines off in the middle."""
    scene.signal(signal.SIGKILL)
    scene.process.wait()
    path = scene.lab.runs / "records.jsonl"
    size = path.stat().st_size
    os.truncate(path, scene.numbers.randint(size // 2, size - 2))


def flip_a_byte(scene: Scene) -> None:
    """Kill the driver, and change one bit of what it wrote."""
    scene.signal(signal.SIGKILL)
    scene.process.wait()
    path = scene.lab.runs / "records.jsonl"
    content = bytearray(path.read_bytes())
    content[scene.numbers.randrange(len(content))] ^= 1 << scene.numbers.randrange(8)
    path.write_bytes(content)


@dataclass(frozen=True)
class Fault:
    """A kind of fault: where the trials run (`ray`, `inline`, or `nodes` of a cluster), when it comes, and what it is.

    `disk` names what lies on a small disk of its own.
    """

    name: str
    where: str
    moment: Moment
    act: Act
    disk: str = ""
    more: tuple[str, ...] = ()  # options of the command


TERM, KILL, INT = signal.SIGTERM, signal.SIGKILL, signal.SIGINT
FAULTS = (
    Fault("a trial's process is killed", "ray", in_fits, kill_a_trial),
    Fault("the driver is killed in the fits", "inline", in_fits, send(KILL)),
    Fault("one interrupt in the fits", "ray", in_fits, send(INT)),
    Fault("the disk is full of records", "inline", in_fits, fill_disk, disk="records"),
    Fault("a trial raises", "ray", in_fits, fail_once("raise")),
    Fault("the last records are cut off", "inline", in_fits, truncate_records),
    Fault("every trial's process is killed", "ray", in_fits, kill_all_trials),
    Fault("the driver is killed in the export", "inline", in_export, send(KILL)),
    Fault("a trial's process stops", "ray", in_fits, stop_a_trial, more=("--report-within", HUNG_SECONDS)),
    Fault("a bit of the records flips", "inline", in_fits, flip_a_byte),
    Fault("the driver is killed while Ray starts", "ray", at_start, send(KILL)),
    Fault("a loss is not a number", "inline", in_fits, fail_once("nan")),
    Fault("the second node's raylet is killed", "nodes", in_fits, kill_raylet),
    Fault("one interrupt in the export", "inline", in_export, send(INT)),
    Fault("the driver is killed in the fits", "ray", in_fits, send(KILL)),
    Fault("the disk is full in the export", "inline", in_fits, fill_disk, disk="tables"),
    Fault("two interrupts in the fits", "ray", in_fits, send(INT, INT)),
    Fault("a trial is out of memory", "inline", in_fits, fail_once("memory")),
    Fault("Ray's control process is killed", "ray", in_fits, kill_of_ray("gcs_server")),
    Fault("two interrupts in the export", "inline", in_export, send(INT, INT)),
    Fault("the driver is terminated while Ray starts", "ray", at_start, send(TERM)),
    Fault("the disk is full of event files", "inline", in_fits, fill_disk, disk="tensorboard"),
    Fault("the driver is terminated in the fits", "ray", in_fits, send(TERM)),
    Fault("a trial is out of a GPU's memory", "ray", in_fits, fail_once("gpu-memory")),
    Fault("the driver is terminated in the export", "inline", in_export, send(TERM)),
    Fault("one interrupt while Ray starts", "ray", at_start, send(INT)),
    Fault("the disk is full of side files", "ray", in_fits, fill_disk, disk="outputs"),
    Fault("Ray's raylet is killed", "ray", in_fits, kill_of_ray("raylet/raylet")),
)


def choose_fault(seed: int) -> Fault:
    """Each kind in turn."""
    return FAULTS[seed % len(FAULTS)]


@contextlib.contextmanager
def prepare_disk(fault: Fault, lab: Lab) -> Iterator[None]:
    """The small disk that the fault fills, where it fills one."""
    if fault.disk:
        with disk.mount(find_disks(lab)[fault.disk]):
            yield
    else:
        yield
