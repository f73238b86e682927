"""The other processes of a trial on several devices, as actors in the trial's placement group."""

import contextlib
import fcntl
import socket
import struct
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from tune_app.errors import FitError, describe_error
from tune_app.executors.inline import choose_device
from tune_app.executors.peers import READY, SETTLE_SECONDS, build_meeting
from tune_app.executors.scratch import hold_folder
from tune_app.executors.staging import use_staged_study
from tune_app.study import TrialSpec
from tune_app.trial.devices import LEFT, LOST, TRAINED, Meeting, Peer, warm_up

ASK_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR of Linux


class ActorPeers:
    """The peers of a trial, one for each further bundle of its placement group: `tune_app.trial.devices.Peers`.

    Where all of them are on one node they meet by a file and talk over the loopback interface, else by a port of the
    first one's node.
    """

    def __init__(self, config: Mapping[str, Any], dataset: Any, options: Mapping[str, Any]) -> None:
        self._config, self._dataset, self._options = dict(config), dataset, dict(options)
        self._size = TrialSpec(**config["spec"]).recipe.devices
        self._group: Any = ray.util.get_current_placement_group()
        self._peers: dict[int, Any] = {}
        self._nodes: dict[int, str] = {}
        self._fits: dict[int, Any] = {}
        self._held = contextlib.ExitStack()
        self._folder = self._held.enter_context(hold_folder())
        self._meetings = 0

    def begin(self, fold: int) -> Meeting:
        for rank in [rank for rank, peer in self._peers.items() if not _answers(peer)]:
            self._end(rank)
        self._start([rank for rank in range(1, self._size) if rank not in self._peers])
        self._meetings += 1
        meeting: Meeting
        here = ray.get_runtime_context().get_node_id()
        place: str | tuple[str, int]
        if all(node == here for node in self._nodes.values()):
            place = str(self._folder / f"meeting-{self._meetings}")
            meeting = build_meeting(place, self._size)
        else:
            address = _find_address()
            store = TCPStore(address, 0, is_master=True, wait_for_workers=False)
            place, meeting = (address, store.port), Meeting(store, find_interface(address))
        self._fits = {rank: peer.train.remote(fold, place) for rank, peer in self._peers.items()}
        return meeting

    def _start(self, ranks: list[int]) -> None:
        """Have these set the trial up, at the same time."""
        for rank in ranks:
            strategy = PlacementGroupSchedulingStrategy(self._group, rank, True)
            share = {"num_cpus": self._config["cpu"], "num_gpus": self._config["gpu"]}
            self._peers[rank] = ray.remote(PeerActor).options(**share, scheduling_strategy=strategy).remote()
        order = self._config, self._dataset, self._options
        answers = {rank: self._peers[rank].set_up.remote(*order, rank) for rank in ranks}
        if ranks:
            warm_up()  # in the meantime
        for rank, answer in answers.items():
            try:
                told, self._nodes[rank] = ray.get(answer)
            except RayError as error:
                told = describe_error(error)
            if told != READY:
                self._end(rank)
                raise FitError(f"device {rank + 1} of {self._size} cannot be used: {told}")

    def settle(self, is_trained: bool) -> list[str]:
        ray.wait(list(self._fits.values()), num_returns=len(self._fits), timeout=SETTLE_SECONDS[is_trained])
        ends = {rank: _read(fit) for rank, fit in sorted(self._fits.items())}
        self._fits = {}
        for rank, end in ends.items():
            if end != TRAINED:
                self._end(rank)
        return list(ends.values())

    def _end(self, rank: int) -> None:
        with contextlib.suppress(RayError):
            ray.kill(self._peers.pop(rank))

    def close(self) -> None:
        for rank in list(self._peers):
            self._end(rank)
        self._held.close()


def open_peers(config: Mapping[str, Any], dataset: Any, options: Mapping[str, Any]) -> ActorPeers | None:
    """The peers of the trial, none for one device; `dataset` is a reference to the data."""
    return ActorPeers(config, dataset, options) if config["devices"] > 1 else None


class PeerActor:
    """A peer on a node."""

    def set_up(self, config: dict[str, Any], dataset: Any, options: dict[str, Any], rank: int) -> tuple[str, str]:
        """Read the trial; READY or what stands in the way, and the node."""
        node = ray.get_runtime_context().get_node_id()
        try:
            root = use_staged_study()
            told = options | ({"root": root} if root else {})
            device = choose_device(config["device"], config["gpu"])
            spec = TrialSpec(**config["spec"])
            self._peer = Peer(spec, dataset, rank, device, threads=config["threads"], **told)
        except Exception as error:  # whatever the user's own parts raise
            return describe_error(error), node
        return READY, node

    def answer(self) -> str:
        return READY

    def train(self, fold: int, place: str | tuple[str, int]) -> str:
        """Train the fold in step with the others; how that ended."""
        if isinstance(place, str):
            return self._peer.train(fold, build_meeting(place, self._peer.trial.spec.recipe.devices))
        store = TCPStore(*place, is_master=False)
        return self._peer.train(fold, Meeting(store, find_interface(_find_address())))


def _answers(peer: Any) -> bool:
    try:
        ray.get(peer.answer.remote())
    except RayActorError:
        return False
    return True


def _read(fit: Any) -> str:
    try:
        return str(ray.get(fit, timeout=0))
    except RayActorError:
        return LOST
    except TimeoutError:
        return LEFT
    except RayError as error:
        return describe_error(error)


def _find_address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def find_interface(address: str) -> str:
    """The network interface of this machine that has the address, empty if none has.

    Without it, gloo takes the one that the host's name stands for, which may be reached from this machine alone.
    """
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, contextlib.suppress(OSError):
            given = fcntl.ioctl(asked.fileno(), ASK_INTERFACE_ADDRESS, struct.pack("256s", name.encode()[:15]))
            if socket.inet_ntoa(given[20:24]) == address:
                return name
    return ""
