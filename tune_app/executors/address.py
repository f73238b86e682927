"""Where a cluster is said to be, and whether anything listens there: asked of the network alone, before Ray is."""

import os
import socket
import threading

from tune_app.errors import ResourceError

PROBE_SECONDS = 4.0  # for a name to be resolved, and as long again for a connection: an error comes within 10 s
REMEDY = (
    "give the head's address as `ray start --head` prints it, such as 10.0.0.1:6379, or auto on a machine that has "
    "joined; leave --address out to run on this machine"
)


def parse_address(address: str) -> tuple[str, int] | None:
    """Host and port; None for `auto`, which is for Ray to find. Raises ResourceError for anything else."""
    given = address.strip()
    if given == "auto":
        named = os.environ.get("RAY_ADDRESS", "").strip()
        return parse_address(named) if named and named != "auto" else None
    host, colon, port = given.removeprefix("ray://").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or "/" in host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ResourceError(f"--address {address!r}: an address is HOST:PORT or auto; {REMEDY}")
    return host, int(port)


def probe_address(address: str) -> None:
    """Raise ResourceError within 10 s if nothing listens at the address, or if it is one of Ray Client's.

    `auto` passes, unless RAY_ADDRESS says what it is.
    """
    place = parse_address(address)
    if place is None:
        return
    if problem := find_deafness(*place):
        raise ResourceError(f"--address {address}: {problem}; {REMEDY}")
    if address.strip().startswith("ray://"):
        raise ResourceError(
            f"--address {address}: Ray Client would run the study's driver on the head, where its records are not; "
            f"{REMEDY}"
        )


def find_deafness(host: str, port: int) -> str:
    """Why nothing can be reached there, empty if something listens."""
    found: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), PROBE_SECONDS).close()
            found.append("")
        except socket.gaierror:
            found.append(f"no machine is called {host!r}")
        except TimeoutError:
            found.append("nothing answers there")
        except OSError as error:
            found.append(f"nothing listens there ({error.strerror or error})")

    # A thread, because the system may take minutes to say that it does not know a name, and cannot be told to hurry.
    asking = threading.Thread(target=connect, daemon=True)
    asking.start()
    asking.join(2 * PROBE_SECONDS)
    return found[0] if found else "nothing answers there"
