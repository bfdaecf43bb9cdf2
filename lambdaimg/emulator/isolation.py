"""What a function's container is given, and how the engine's words about it are read. Pure.

As on Lambda: a user that is not root, a file system that is read-only but for `/tmp`, the
memory limit, no swap, no capabilities, 1,024 processes and open files. Unlike on Lambda: one
CPU whatever the memory, and a `/tmp` that counts as memory.
"""

from __future__ import annotations

import re

from lambdaimg.emulator.bridge import DESKTOP_NAME
from lambdaimg.emulator.protocol import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lambdaimg.emulator.engine import EngineError
    from lambdaimg.emulator.protocol import FunctionSpec

USER = "993:990"
"""A user and group that no image knows, as images do not know that of Lambda's sandbox."""
HOLD = 'read -r _; unset PWD OLDPWD SHLVL _; exec "$@" </dev/null'
"""What a held container's shell does; the variables are those that shells add."""
TMP = "rw,nosuid,nodev,mode=1777,size=512m"
"""Options of `/tmp`; 512 MB is Lambda's own default."""


def create_body(
    spec: FunctionSpec,
    api: str,
    image: Mapping[str, Any],
    *,
    variables: Mapping[str, str],
    network: str,
    labels: Mapping[str, str],
    publish: Sequence[int],
    held: bool = False,
) -> dict[str, Any]:
    """The body of the engine's create call.

    Args:
        spec: the function.
        api: the value of `AWS_LAMBDA_RUNTIME_API`.
        image: the image as the engine describes it.
        variables: for the environment, before the function's own.
        network: name of the network to join.
        labels: of the container.
        publish: ports that are published on loopback under the same number.
        held: whether the command is to wait for a line on stdin; needs a shell in the image.
    """
    config = image.get("Config") or {}
    body: dict[str, Any] = {
        "Image": image["Id"],
        "Env": _environment(spec, api, config, variables),
        "User": USER,
        "Labels": dict(labels),
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host_config(spec, network),
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    elif spec.entrypoint or held:
        body["Cmd"] = config.get("Cmd")  # an entrypoint alone would empty the image's CMD
    if held:
        words = [*(spec.entrypoint or config.get("Entrypoint") or ()), *(body["Cmd"] or ())]
        body |= {"Entrypoint": ["/bin/sh", "-c", HOLD, "sh"], "Cmd": words}
        body |= {"AttachStdin": True, "OpenStdin": True, "StdinOnce": True}
    elif spec.entrypoint:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.workdir:
        body["WorkingDir"] = spec.workdir
    if publish:
        ports = [f"{port}/tcp" for port in publish]
        body["ExposedPorts"] = {port: {} for port in ports}
        body["HostConfig"]["PortBindings"] = {
            port: [{"HostIp": "127.0.0.1", "HostPort": port.partition("/")[0]}] for port in ports
        }
    return body


def _environment(
    spec: FunctionSpec, api: str, config: Mapping[str, Any], variables: Mapping[str, str]
) -> list[str]:
    own = {line.partition("=")[0] for line in config.get("Env") or ()}
    command = list(spec.command or config.get("Cmd") or ())
    given = spec.variables()
    if command and "_HANDLER" not in own:
        given["_HANDLER"] = command[-1]
    given.update(variables)
    given.update(spec.environment)
    given["AWS_LAMBDA_RUNTIME_API"] = api
    return [f"{name}={value}" for name, value in given.items()]


def _host_config(spec: FunctionSpec, network: str) -> dict[str, Any]:
    memory = spec.memory * 1024 * 1024
    host: dict[str, Any] = {
        "NetworkMode": network,
        "LogConfig": {"Type": "none"},
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": TMP},  # noqa: S108
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": 1_000_000_000,
        "PidsLimit": 1024,
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Binds": [f"{here}:{there}:ro" for here, there in spec.mounts],
    }
    if network != "host":
        host["ExtraHosts"] = [f"{DESKTOP_NAME}:host-gateway"]
    return host


def start_failure(error: EngineError, image: str) -> Exit:
    """How an environment ended that the engine would not start.

    A command that the image does not have is the function's fault, as on Lambda; all else is not.
    """
    refused = re.search(r'exec: "([^"]*)": (?:stat [^:]*: )?(.*?)(?:: unknown)?$', error.message)
    if refused:
        return Exit(-1, failure=f"fork/exec {refused[1]}: {refused[2]}")
    if error.status == 404 and "image" in error.message.lower():
        return Exit(-1, failure=f"There is no image {image}", failure_type="Sandbox.ImageNotFound")
    return Exit(-1, failure=error.message, failure_type="Sandbox.Failure")


def exit_code(status: int) -> int:
    """An exit status as Docker has it; above 128 it means a signal, given here as its negative."""
    return 128 - status if 128 < status < 160 else status
