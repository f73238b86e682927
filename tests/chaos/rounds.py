"""One seeded fault: a command that it happens to, the same command again, and what the two leave."""

import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import disk
from tests.chaos.faults import Fault, Scene, TooLateError, choose_fault, prepare_disk
from tests.chaos.lab import END_SECONDS, Lab, wait_for_end
from tests.chaos.processes import Process, end_all, find_below
from tests.chaos.two_nodes import start_two_nodes

WHERE = {"ray": ("--cpus-per-trial", "1"), "inline": ("--executor", "inline")}


@dataclass(frozen=True)
class Round:
    """What came of a fault. `problems` are sentences, empty if all is well; the exit code of what hung is None."""

    seed: int
    fault: str
    where: str
    moment: str
    first: int | None = None
    second: int | None = None
    identical: bool = False
    seconds: float = 0.0
    skipped: str = ""  # why it could not be tried here
    problems: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        return bool(self.skipped) or (self.identical and not self.problems)


def build_tables(folder: Path) -> dict[str, str]:
    """The tables of the undisturbed study."""
    lab = Lab(folder / "whole", WHERE["inline"], {})
    code = wait_for_end(lab.start("first.log"))
    if code != 0:
        raise RuntimeError(f"the undisturbed study ends with exit code {code}:\n{lab.read_log('first.log')}")
    return lab.read_tables()


def run_round(seed: int, tables: Mapping[str, str], folder: Path) -> Round:
    """The fault of a seed, in a folder of its own below `folder`."""
    fault, begun = choose_fault(seed), time.monotonic()
    if fault.disk and (obstacle := disk.find_obstacle()):
        return Round(seed, fault.name, fault.where, "", skipped=f"no small disk can be mounted here: {obstacle}")
    place = folder / str(seed)
    place.mkdir()
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(start_two_nodes(place)) if fault.where == "nodes" else None
        options = ("--address", nodes.address) if nodes else WHERE[fault.where]
        lab = Lab(place, (*options, *fault.more), nodes.environment if nodes else {})
        stack.enter_context(prepare_disk(fault, lab))
        stack.callback(lab.end_commands)
        problems: list[str] = []
        scene = Scene(lab, lab.start("first.log"), random.Random(seed), nodes)
        first, started = _disturb(fault, scene, problems)
        for filler in scene.fillers:
            filler.unlink()
        second = wait_for_end(lab.start("second.log"))
        if second != 0:
            problems.append(f"the second command ends with exit code {second}")
        if running := end_all(started, END_SECONDS):
            commands = ", ".join(each.command[:60] for each in running)
            problems.append(f"processes went on after their command: {commands}")
        is_identical = _compare(lab, tables, problems)
    seconds = time.monotonic() - begun
    told = fault.name, fault.where, scene.moment
    return Round(seed, *told, first, second, is_identical, seconds, problems=tuple(problems))


def _compare(lab: Lab, tables: Mapping[str, str], problems: list[str]) -> bool:
    """Whether both commands have left the tables of the undisturbed study, and nothing else."""
    if "Traceback" in lab.read_log("first.log") + lab.read_log("second.log"):
        problems.append("a traceback was printed")
    if left := lab.find_left_behind():
        problems.append(f"{len(left)} files are left in the temporary folder: {', '.join(left[:3])}")
    lab.clear()
    found = lab.read_tables()
    other = [name for name in tables if found.get(name) != tables[name]]
    if other:
        problems.append(f"other tables: {', '.join(other)}")
    return not other


def _disturb(fault: Fault, scene: Scene, problems: list[str]) -> tuple[int | None, list[Process]]:
    """Have the fault happen to the first command; its exit code once it has ended, and what it had started."""
    try:
        fault.moment(scene)
        started = find_below(scene.process.pid)
        fault.act(scene)
    except TooLateError as late:
        started = []
        problems.append(str(late))
    code = wait_for_end(scene.process)
    if code is None:
        problems.append("the first command hangs")
    files = scene.lab.find_left_behind()
    owners = {name.split("-")[1] for name in files if name.startswith("tune_app-")}
    strange = [name for name in files if not name.startswith("tune_app-")]
    if (files and not scene.kills_driver) or len(owners) > 1 or strange:
        problems.append(f"the first command left {len(files)} files in the temporary folder: {', '.join(files[:3])}")
    return code, started
