"""Handlers that get their arguments as their hints say: dataclasses, enums, tuples made of what came."""

import dataclasses
import functools
import inspect
import types
from typing import Any

from samovar.conversion import BadArgument, Convert
from samovar.method import Handler, Method
from samovar.schema import converters_of


def with_typed_arguments(method: Method) -> Method:
    """`method`, whose function makes of its arguments what their hints say. The same one, where that is nothing.

    Its function raises BadArgument for what does not fit. A batch's does not: batches.argument_of() does.
    """
    converts, parameters = converters_of(method)
    if not converts:
        return method
    if method.batch:
        return dataclasses.replace(method, argument=converts[parameters[0].name])
    return dataclasses.replace(method, function=_converting(method.function, converts))


def _converting(function: Handler, converts: dict[str, Convert]) -> Handler:
    positional = []  # by index
    rest = None
    keywords = dict(converts)
    more = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = keywords.pop(name, None)
        elif parameter.kind is parameter.VAR_KEYWORD:
            more = keywords.pop(name, None)
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append((name, converts.get(name)))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = list(args)
        for index, value in enumerate(given):
            name, convert = positional[index] if index < len(positional) else ("*args", rest)
            if convert is not None:
                given[index] = _made(convert, value, name)
        for name, value in kwargs.items():
            convert = keywords.get(name, more)
            if convert is not None:
                kwargs[name] = _made(convert, value, name)
        return function(*given, **kwargs)

    return call


def _made(convert: Convert, value: Any, name: str) -> Any:
    try:
        return convert(value)
    except BadArgument as error:
        raise error.under(f"parameter {name!r}")


def is_wrapper(code: types.CodeType) -> bool:
    """Whether a frame in a traceback is this module's, and not the handler's."""
    return code.co_filename == __file__
