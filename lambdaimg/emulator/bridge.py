"""Where a container finds a server of this machine that must not listen on every interface.

On a Linux engine of this machine a network's gateway is an address of this machine that its
containers reach, and nobody outside. Docker Desktop (and a rootless or remote engine) has its
networks elsewhere, but its containers find this machine's loopback under `host.docker.internal`.
"""

from __future__ import annotations

import ipaddress
import socket

from lambdaimg.emulator.engine import Engine, EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DESKTOP_NAME = "host.docker.internal"


class Meeting:
    """Where servers listen, and how containers call that place.

    Attributes:
        listen: the address to bind a listener to.
        name: the host name or address that containers use for it.
    """

    __slots__ = ("listen", "name")

    def __init__(self, listen: str, name: str) -> None:
        self.listen = listen
        self.name = name


def meeting(engine: Engine, network: str = "bridge") -> Meeting:
    """Where the containers of a network can reach a server of this machine.

    Args:
        engine: the engine that runs them.
        network: the network's name; `host` is the machine's own.

    Raises:
        EngineError: there is no such network, or the engine cannot be reached.
    """
    if network == "host":
        return Meeting("127.0.0.1", "127.0.0.1")
    address = gateway_of(engine.get(f"/networks/{network}"))
    if address is not None and is_here(address):
        return Meeting(address, address)
    return Meeting("127.0.0.1", DESKTOP_NAME)


def gateway_of(network: dict[str, Any]) -> str | None:
    """The gateway's IPv4 address of a network as `GET /networks/NAME` tells it.

    An engine that was given no gateway names the subnet alone and takes its first address.
    """
    for config in (network.get("IPAM") or {}).get("Config") or []:
        try:
            if config.get("Gateway"):
                return str(ipaddress.IPv4Address(str(config["Gateway"]).split("/")[0]))
            return str(next(ipaddress.IPv4Network(str(config["Subnet"])).hosts()))
        except (KeyError, ValueError, StopIteration):
            continue
    return None


def is_here(address: str) -> bool:
    """Whether it is an address of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


__all__ = ["DESKTOP_NAME", "EngineError", "Meeting", "gateway_of", "is_here", "meeting"]
