"""Sets up `logging` for Lambda at the moment somebody imports it, and not before."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from .sink import Sink


def is_json(environ: "Mapping[str, str]") -> bool:
    """Whether `AWS_LAMBDA_LOG_FORMAT` asks for JSON."""
    return environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def root_level(environ: "Mapping[str, str]") -> str:
    """The root logger's level by `AWS_LAMBDA_LOG_LEVEL`; empty where it stays as it is."""
    level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    return "DEBUG" if level == "TRACE" else level


def prepare_logging(sink: "Sink", environ: "Mapping[str, str]") -> None:
    """Have `logging` write to `sink` in Lambda's format as soon as it is there."""
    as_json, level = is_json(environ), root_level(environ)

    def install() -> None:
        from .logs import install

        install(sink, as_json, level)

    if "logging" in sys.modules:
        install()
    else:
        sys.meta_path.insert(0, _Finder(install))


class _Finder:
    """Finds `logging` as the other finders do, and runs a function when it has been loaded."""

    def __init__(self, then: "Callable[[], None]") -> None:
        self._then = then

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._extend(spec)
                return spec
        return None

    def _extend(self, spec: "ModuleSpec") -> None:
        loader = spec.loader
        if loader is None:
            return
        load = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            load(module)
            self._then()

        loader.exec_module = exec_module  # type: ignore[method-assign]
