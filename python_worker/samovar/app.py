"""Finds what is to be served: the Service object that MODULE:OBJECT names, or one made for --expose or --lines."""

import importlib
import os
import re
import sys
import types

from samovar.service import Service, check_service_name

_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")


class AppError(Exception):
    """The app cannot be served. The text is one sentence; __cause__ is what its import raised, if it did."""


def split_target(target: str) -> tuple[str, str]:
    """MODULE and OBJECT. Raises ValueError with a sentence."""
    match = _TARGET.fullmatch(target)
    if match is None:
        raise ValueError(f"{target!r} is not MODULE:OBJECT, as in examples.ipgeo:service")
    return match[1], match[2]


def load_service(target: str, name: str | None = None) -> tuple[Service, str]:
    """Imports the app and returns its Service and the name to announce: `name`, or else the service's own.

    `target` is MODULE:OBJECT, or begins with the option --expose or --lines. Raises AppError.
    """
    service = _make_service(target, name) if target.startswith("--") else _find_service(target)
    announced = service.name if name is None else name
    check_service_name(announced)
    return service, announced


def _make_service(target: str, name: str | None) -> Service:
    from samovar import exposed, lines  # they need this module

    if target.startswith(f"{exposed.OPTION} "):
        return exposed.make_service(target.removeprefix(f"{exposed.OPTION} "), name)
    if name is None:
        raise AppError(f"{target} needs a name")
    return lines.make_service(target, name)


def import_app_module(name: str) -> types.ModuleType:
    """The working directory comes first on the import path.

    Raises AppError; SystemExit and the like raised by the import end here, too.
    """
    if sys.path[:1] != [os.getcwd()]:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except BaseException as error:
        raise AppError(_import_failed(name, error)) from error


def _find_service(target: str) -> Service:
    module_name, object_path = split_target(target)
    module = import_app_module(module_name)
    found: object = module
    for part in object_path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise AppError(
                f"module {module_name} has no object {object_path!r}{_services_in(module)}"
            ) from None
    if not isinstance(found, Service):
        kind = type(found).__name__
        raise AppError(f"{target} is of type {kind}, not a samovar.Service{_services_in(module)}")
    if not found.methods:
        raise AppError(
            f"service {found.name!r} of {target} has no methods: decorate functions with "
            f"@{object_path}.method"
        )
    return found


def _import_failed(module_name: str, error: BaseException) -> str:
    missing = isinstance(error, ModuleNotFoundError) and error.name is not None
    if missing and (module_name + ".").startswith(f"{error.name}."):  # type: ignore[attr-defined]
        if error.name.endswith(".py"):  # type: ignore[attr-defined]
            return f"name the module without .py: {module_name.removesuffix('.py')}"
        return (
            f"there is no module {error.name!r}: "  # type: ignore[attr-defined]
            f"looked in {os.getcwd()} and in the installed packages of {sys.prefix}"
        )
    if isinstance(error, SystemExit):
        return f"importing {module_name} ended the process: SystemExit({error.code!r})"
    return f"importing {module_name} raised {type(error).__name__}: {error}"


def _services_in(module: object) -> str:
    names = sorted(name for name, value in vars(module).items() if isinstance(value, Service))
    return f"; its services are: {', '.join(names)}" if names else ""
