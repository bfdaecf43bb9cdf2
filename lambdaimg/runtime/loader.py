"""From a handler's name to something that can be called."""

import sys

from .faults import (
    BUILT_IN_MODULE_CONFLICT,
    HANDLER_NOT_FOUND,
    IMPORT_MODULE_ERROR,
    MALFORMED_HANDLER_NAME,
    USER_CODE_SYNTAX_ERROR,
    Fault,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .base import LambdaRuntime

BASE_MODULE = __package__ + ".base"


def split_name(handler: str) -> tuple[str, str]:
    """The module and the name of `module.name`; packages are parted by dots or slashes.

    Raises:
        Fault: `Runtime.MalformedHandlerName`.
    """
    module, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault(
            MALFORMED_HANDLER_NAME,
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    return module.replace("/", "."), name


def import_module(name: str) -> "ModuleType":
    """Import the handler's module.

    Raises:
        Fault: it cannot be imported, is no valid Python, or is the interpreter's own.
        BaseException: what the module itself raises.
    """
    if name.partition(".")[0] in sys.builtin_module_names:
        raise Fault(
            BUILT_IN_MODULE_CONFLICT, f"Cannot use built-in module {name} as a handler module"
        )
    try:
        # Unlike importlib.import_module this leaves no frames of the machinery in a trace.
        __import__(name)
    except ImportError as error:
        raise Fault(IMPORT_MODULE_ERROR, f"Unable to import module '{name}': {error}") from error
    except SyntaxError as error:
        raise Fault(
            USER_CODE_SYNTAX_ERROR,
            f"Syntax error in module '{name}': {error}",
            [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
        ) from error
    return sys.modules[name]


def find_handler(module: "ModuleType", name: str) -> "tuple[Any, str]":
    """What `name` stands for in a module.

    Returns:
        A callable and an empty string, or a subclass of `LambdaRuntime` and its method.

    Raises:
        Fault: `Runtime.HandlerNotFound`.
    """
    found = getattr(module, name, None)
    base = _base_class()
    if base is not None and isinstance(found, type) and issubclass(found, base):
        return found, "handler"
    if callable(found):
        return found, ""
    classes = _subclasses(module, base) if base is not None else []
    chosen = _choose(classes, module.__name__)
    if chosen is not None and callable(getattr(chosen, name, None)):
        return chosen, name
    raise Fault(HANDLER_NOT_FOUND, _missing(name, module.__name__, classes, chosen))


def _base_class() -> "type[LambdaRuntime] | None":
    """The base class, where anybody has loaded it."""
    module = sys.modules.get(BASE_MODULE)
    return module.LambdaRuntime if module is not None else None


def _subclasses(module: "ModuleType", base: type) -> "list[type]":
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
    ]


def _choose(classes: "list[type]", module_name: str) -> "type | None":
    """The class named like the module, else the only one that no other one extends."""
    wanted = _plain(module_name.rpartition(".")[2])
    for candidate in classes:
        if _plain(candidate.__name__) == wanted:
            return candidate
    last = [one for one in classes if not any(one in other.__mro__[1:] for other in classes)]
    return last[0] if len(last) == 1 else None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _missing(name: str, module: str, classes: "list[type]", chosen: "type | None") -> str:
    text = f"Handler '{name}' missing on module '{module}'"
    if chosen is not None:
        return f"{text} and on its class {chosen.__name__}"
    if classes:
        names = ", ".join(sorted(one.__name__ for one in classes))
        return f"{text}; none of its classes {names} is named like the module"
    return text
