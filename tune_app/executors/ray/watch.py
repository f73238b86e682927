"""The head watched while fits run: Ray itself waits a minute for it, then ends this process with a line of its log."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import ray

from tune_app.errors import ClusterError
from tune_app.executors.ray.ending import end_cluster
from tune_app.executors.ray.nodes import find_alive, spell_node
from tune_app.executors.ray.quick import find_ended, started_here

logger = logging.getLogger("tune_app")

EVERY_SECONDS = 2.0
LOST_SECONDS = 15.0  # without an answer: a head that is restarted, or a network that stumbles, may come back
UNMET_SECONDS = 60.0  # an autoscaler may bring a node in the place of one that was lost
LEAVE_SECONDS = 12.0  # for this process to leave Ray, whose core may wait for the head wherever it is
# What Ray's core waits for a head that is gone before it ends this process: by then the tables are written.
RECONNECT_SECONDS = "600"
SHOW_CURSOR = "\x1b[?25h"

Leave = Callable[[str], None]
Shares = Set[tuple[float, float]]  # CPUs and GPUs that an item needs on one node


@contextlib.contextmanager
def watch_head(find_needs: Callable[[], Shares] = frozenset, leave: Leave | None = None) -> Iterator[None]:
    """Raise ClusterError within, wherever it waits, once the head is gone or no node is left for any item.

    `find_needs` gives the shares of the items that have not ended; it is called from another thread. Where Ray's core
    waits for the head and hears of nothing else, `leave` is given the sentence by that thread (None: it is printed),
    and the process ends with exit code 1, as Ray would end it later.
    """
    watch = _Watch(find_needs, leave or _say)
    watch.start()
    try:
        try:
            yield
        finally:
            watch.stop()
    except BaseException as error:
        # What breaks when the head is gone may come before the watch has made sure of it.
        if not watch.lost and isinstance(error, Exception) and not isinstance(error, ClusterError):
            watch.look_again()
        if watch.lost and isinstance(error, Exception | KeyboardInterrupt):
            raise ClusterError(watch.lost) from None
        raise


class _Watch(threading.Thread):
    def __init__(self, find_needs: Callable[[], Shares], leave: Leave) -> None:
        super().__init__(name="watch", daemon=True)
        self.lost = ""  # the sentence
        self._nodes: dict[str, str] = {}  # those that are there, by id, as they are called
        self._find_needs = find_needs
        self._say_goodbye = leave
        self._watched = threading.get_ident()
        self._stopped = threading.Event()
        self._interrupting = threading.Lock()
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._head = host.removeprefix("[").removesuffix("]"), int(port)

    def run(self) -> None:
        answered = met = time.monotonic()
        while not self._stopped.wait(EVERY_SECONDS):
            now = time.monotonic()
            if ended := find_ended():
                self._leave_now(f"Ray's {ended} on this machine has ended.")
                return
            if self._is_there():
                answered = now
                met = now if self._can_go_on() else met
            if now - answered > LOST_SECONDS:
                self._leave(self._describe_silence())
                return
            if now - met > UNMET_SECONDS:
                self._leave(f"no node that is left has {self._spell_needs()}, which every fit to come needs.")
                return

    def stop(self) -> None:
        with self._interrupting:
            self._stopped.set()

    def look_again(self) -> None:
        """Whether the head is gone now that something has failed; `lost` says so."""
        until = time.monotonic() + LOST_SECONDS
        while not self._is_there():
            if time.monotonic() > until:
                self.lost = self._describe_silence()
                return
            time.sleep(EVERY_SECONDS)

    def _is_there(self) -> bool:
        try:
            socket.create_connection(self._head, EVERY_SECONDS * 2).close()
        except OSError:
            return False
        return True

    def _can_go_on(self) -> bool:
        """Whether some item that has not ended has a node that could hold it, busy or not."""
        try:
            nodes = find_alive()
        except Exception:  # the head has gone in between: the next look tells
            return True
        self._tell_of_lost(nodes)
        needs, resources = self._find_needs(), [node["Resources"] for node in nodes]
        fits = any(cpu <= node.get("CPU", 0) and gpu <= node.get("GPU", 0) for cpu, gpu in needs for node in resources)
        return fits or not needs

    def _tell_of_lost(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        there = {node["NodeID"]: spell_node(node) for node in nodes}
        for node in self._nodes.keys() - there.keys():
            logger.warning("Node %s has left the cluster; %d are left.", self._nodes[node], len(there))
        self._nodes = there

    def _describe_silence(self) -> str:
        place = (
            "Ray's control process on this machine"
            if started_here()
            else f"Ray's head at {':'.join(map(str, self._head))}"
        )
        return f"{place} has not answered for {LOST_SECONDS:g} s."

    def _spell_needs(self) -> str:
        cpu, gpu = min(self._find_needs(), default=(0.0, 0.0))
        return f"{cpu:g} CPUs and {gpu:g} GPUs"

    def _leave(self, sentence: str) -> None:
        with self._interrupting:
            if self._stopped.is_set():
                return
            self.lost = sentence
            _interrupt(self._watched)
        if not self._stopped.wait(LEAVE_SECONDS):
            self._leave_now(sentence)

    def _leave_now(self, sentence: str) -> None:
        """Say goodbye and end this process: its main thread may wait for Ray's core, whose end may come at any time."""
        with self._interrupting:  # the watched thread waits in `stop` if it comes free now
            if self._stopped.is_set():
                return
            _interrupt(self._watched)
            end_cluster()
            try:
                self._say_goodbye(sentence)
            except Exception as error:
                _say(f"{sentence} {type(error).__name__}: {error}")
            finally:
                sys.stdout.flush()
                sys.stderr.write(SHOW_CURSOR if sys.stderr.isatty() else "")  # a display may have hidden it
                sys.stderr.flush()
                os._exit(1)  # every record is on disk


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _interrupt(thread: int) -> None:
    """KeyboardInterrupt in a thread, as by Ctrl-C; in another than the main one as soon as it is back in Python."""
    if thread == threading.main_thread().ident and callable(signal.getsignal(signal.SIGINT)):
        signal.pthread_kill(thread, signal.SIGINT)
    else:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
