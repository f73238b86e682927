"""Whether Ray answers at an address. Run as a program of its own, because Ray's core waits for minutes, and tells it.

    python -P knock.py 10.0.0.1:6379

It prints `address NAME` as soon as it knows what `auto` is, and last one of `ready`, `none WHY`, `token`, `apart`
(this machine is no node of that cluster) and `silent WHY`.
"""

import sys


def main(address: str) -> str:
    """What there is to say of the address, in the words of above."""
    from ray._private import services
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError

    try:
        address = services.canonicalize_bootstrap_address_or_die(address)
    except Exception as error:
        return f"none {' '.join(str(error).split())}"
    _say(f"address {address}")
    try:
        nodes = GcsClient(address=address).get_all_node_info(timeout=10)
    except AuthenticationError:
        return "token"
    except Exception as error:
        return f"silent {' '.join(str(error).split())}"
    here = set(services.find_node_ids())  # type: ignore[no-untyped-call]
    return "ready" if any(node.hex() in here for node in nodes) else "apart"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say(main(sys.argv[1]))
