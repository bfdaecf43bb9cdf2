"""The containers that an embedded AWS started, found again by their label.

MiniStack labels its containers with the server's name and port; so do the kit's own function
containers here. A server that is stopped removes its own; this is for one that was killed.
"""

from __future__ import annotations

import socket
from typing import Any

INSTANCE_LABEL = "ministack.instance"
_TIMEOUT_S = 15


def server_name() -> str:
    """The name under which a server labels its containers, without the port."""
    return f"lambdaimg-{socket.gethostname()}"


def instance_label(port: int) -> str:
    """The value of `INSTANCE_LABEL` for a server on this machine and port."""
    return f"{server_name()}:{port}"


def remove_all(port: int, docker_host: str | None) -> int:
    """Remove all containers of a server that is gone; no engine means that there are none.

    Args:
        port: the server's port.
        docker_host: the engine that ran its functions; None for the default one.

    Returns:
        How many were removed.
    """
    from concurrent.futures import ThreadPoolExecutor

    import docker

    try:
        client = (
            docker.DockerClient(base_url=docker_host, timeout=_TIMEOUT_S)
            if docker_host
            else docker.from_env(timeout=_TIMEOUT_S)
        )
    except docker.errors.DockerException:
        return 0
    try:
        found = client.containers.list(
            all=True, sparse=True, filters={"label": f"{INSTANCE_LABEL}={instance_label(port)}"}
        )
        with ThreadPoolExecutor(max_workers=8) as pool:
            return sum(pool.map(_removed, found))
    except docker.errors.DockerException:
        return 0
    finally:
        client.close()


def _removed(container: Any) -> bool:
    import docker

    try:
        container.remove(force=True, v=True)
    except docker.errors.DockerException:
        return False
    return True
