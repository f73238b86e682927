"""A local cluster that no other machine reaches: its processes listen on the loopback address alone."""

import contextlib
import ipaddress
import logging
import os
from collections.abc import Iterator
from typing import Any

from tune_app.executors.ray.nodes import find_alive

logger = logging.getLogger("tune_app")
constants: Any = None
with contextlib.suppress(ImportError):  # Ray promises none of it
    from ray._private import ray_constants as constants

FLAG = "ENABLE_RAY_CLUSTER"  # false on desktop systems, where Ray spares users the questions of a firewall


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Within, a cluster that is started takes 127.0.0.1 for this machine's address; Ray has no option for it."""
    before = getattr(constants, FLAG, None)
    if before is None:
        yield
        return
    setattr(constants, FLAG, False)
    try:
        yield
    finally:
        setattr(constants, FLAG, before)


def warn_if_open() -> None:
    """Say where the cluster that this process has started can be reached by others than this user."""
    addresses = {str(node["NodeManagerAddress"]) for node in find_alive()}
    for address in addresses:
        with contextlib.suppress(ValueError):
            if not ipaddress.ip_address(address).is_loopback:
                logger.warning(
                    "Warning: this version of Ray listens on %s, too; its token is what keeps others out.", address
                )
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode != "token":
        logger.warning(
            "Warning: RAY_AUTH_MODE is %s: while Ray runs, everybody on this machine can run code as you; unset it.",
            mode,
        )
