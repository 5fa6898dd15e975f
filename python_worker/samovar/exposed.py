"""Functions of an importable module as a service, with no file written: samovar-worker --expose.

    MODULE:ITEM,ITEM,...    jieba:lcut,cut

An ITEM is the path of a function in the module (`lcut`, `dt.cut`, `Class.class_method`), offered under the last part
of its name; NAME=PATH, to offer it under another one; PATH(), a function that is called once while loading, and not
offered; or `*`, all public functions of the module. What a function yields, its callers get as a list.
"""

import functools
import inspect
import re
import types
from dataclasses import dataclass
from typing import Any

from samovar.app import AppError, import_app_module
from samovar.method import Handler
from samovar.service import Service

OPTION = "--expose"
_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_SPEC = re.compile(rf"({_PATH}):(.+)", re.ASCII)
_ITEM = re.compile(rf"(?:([A-Za-z0-9_-]+)=)?({_PATH})|({_PATH})\(\)|\*", re.ASCII)


@dataclass(frozen=True)
class Exposed:
    """What is to be served: `offers` are (name of the method, path), `first` is called while loading."""

    module: str
    first: list[str]
    offers: list[tuple[str, str]]
    all_public: bool


def parse(text: str) -> Exposed:
    """Raises ValueError with a sentence."""
    spec = _SPEC.fullmatch(text)
    if spec is None:
        raise ValueError(f"{text!r} is not MODULE:FUNCTION,FUNCTION, as in jieba:lcut,cut")
    exposed = Exposed(spec[1], [], [], "*" in spec[2].split(","))
    for item in spec[2].split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(
                f"{item!r} in {text!r} is no function's name, NAME=FUNCTION, FUNCTION() or *"
            )
        if match[3] is not None:
            exposed.first.append(match[3])
        elif match[2] is not None:
            method = match[1] or match[2].rpartition(".")[2]
            if any(method == name for name, _ in exposed.offers):
                raise ValueError(
                    f"{text!r} offers {method!r} twice: write another name for one, as in NAME={match[2]}"
                )
            exposed.offers.append((method, match[2]))
    if not exposed.offers and not exposed.all_public:
        raise ValueError(f"{text!r} only names what is called while loading, and offers nothing")
    return exposed


def make_service(text: str, name: str | None) -> Service:
    """Imports the module; the service is called `name`, or as the module. Raises AppError, ValueError."""
    exposed = parse(text)
    module = import_app_module(exposed.module)
    service = Service(name or exposed.module)
    functions = [(method, _find(module, path)) for method, path in exposed.offers]
    if exposed.all_public:
        taken = {method for method, _ in functions}
        functions += [each for each in _public(module) if each[0] not in taken]
        if not functions:
            raise AppError(
                f"module {module.__name__} has no public functions: name those to be offered"
            )
    first = [(path, _find(module, path)) for path in exposed.first]
    for method, function in functions:
        try:
            service.method(name=method)(_for_callers(function))
        except (TypeError, ValueError) as error:
            raise AppError(f"cannot expose {function!r}: {error}") from None

    @service.load
    def call_first() -> None:
        for path, function in first:
            function()

    return service


def _find(module: types.ModuleType, path: str) -> Handler:
    owner: Any = None
    found: Any = module
    for part in path.split("."):
        owner = found
        try:
            found = getattr(owner, part)
        except AttributeError:
            raise AppError(f"module {module.__name__} has no {path!r}{_hint(module)}") from None
    what = f"{module.__name__}:{path}"
    if not callable(found):
        raise AppError(f"{what} is of type {type(found).__name__}, not a function")
    if isinstance(owner, type) and inspect.isfunction(inspect.getattr_static(owner, part, None)):
        raise AppError(
            f"{what} needs an object of {owner.__name__}, which callers do not have: name a method of an object "
            "that the module holds, or a static or class method"
        )
    return found  # type: ignore[no-any-return]


def _public(module: types.ModuleType) -> list[tuple[str, Handler]]:
    """The functions that `*` stands for: those of __all__, or else those that the module itself defines."""
    listed = getattr(module, "__all__", None)
    found: list[tuple[str, Handler]] = []
    for name in sorted(vars(module)) if listed is None else listed:
        value = getattr(module, name, None)
        own = listed is not None or getattr(value, "__module__", None) == module.__name__
        if own and not name.startswith("_") and callable(value) and not isinstance(value, type):
            found.append((name, value))
    return found


def _hint(module: types.ModuleType) -> str:
    names = [name for name, _ in _public(module)]
    more = ", ..." if len(names) > 20 else ""
    return f"; its functions are: {', '.join(names[:20])}{more}" if names else ""


def _for_callers(function: Handler) -> Handler:
    """`function`, which may yield its result piece by piece, as one that returns it."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return list(result) if hasattr(result, "__next__") else result

    return call


def is_wrapper(code: types.CodeType) -> bool:
    """Whether a frame in a traceback is this module's, and not the exposed function's."""
    return code.co_filename == __file__
