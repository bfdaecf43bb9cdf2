"""Makes sure that the engine has a function's image before a container is made of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any


class EngineImages:
    """The images of one engine.

    Args:
        docker_host: the engine; None for the default one.
        registry: the one registry to pull from, such as `localhost:14566`. Lambda, too, takes
            images from no other than its own.
    """

    def __init__(self, docker_host: str | None, registry: str) -> None:
        self._docker_host = docker_host
        self._registry = registry
        self._client: Any = None
        self._found: dict[Sequence[str], str] = {}
        self._lock = threading.Lock()

    def ensure(self, image: str) -> None:
        """Pull an image, unless the engine has it.

        Raises:
            LookupError: the engine has it not and cannot pull it; the message says why.
        """
        import docker

        try:
            with self._lock:
                client = self._connected()
                try:
                    client.images.get(image)
                except docker.errors.ImageNotFound:
                    if not image.startswith(f"{self._registry}/"):
                        raise
                    client.images.pull(image)
        except (docker.errors.DockerException, OSError) as error:
            reason = getattr(error, "explanation", None) or error
            raise LookupError(f"The engine cannot get the image {image}: {reason}") from error

    def first_of(self, names: Sequence[str]) -> str:
        """The first of some public images that the engine has or can pull; asks once.

        Raises:
            LookupError: it can have none of them.
        """
        import docker

        with self._lock:
            if names not in self._found:
                for name in names:
                    try:
                        try:
                            self._connected().images.get(name)
                        except docker.errors.ImageNotFound:
                            self._connected().images.pull(name)
                    except (docker.errors.DockerException, OSError):
                        continue
                    self._found[names] = name
                    break
                else:
                    raise LookupError(f"The engine can get none of: {', '.join(names)}.")
            return self._found[names]

    def _connected(self) -> Any:
        import docker

        if self._client is None:
            self._client = (
                docker.DockerClient(base_url=self._docker_host)
                if self._docker_host
                else docker.from_env()
            )
        return self._client
