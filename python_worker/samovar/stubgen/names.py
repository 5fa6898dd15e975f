"""Names of a schema as names of another language."""

import re

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")


def identifier(name: str, taken: frozenset[str]) -> str:
    """`name` in letters, digits and _, and none of the language's own words."""
    text = _NO_NAME.sub("_", name)
    if not text or text[0].isdigit():
        text = f"_{text}"
    return f"{text}_" if text in taken else text


def camel(name: str) -> str:
    """`country_name` as `CountryName`."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
    text = "".join(part[0].upper() + part[1:] for part in parts)
    return text if text and not text[0].isdigit() else f"_{text}"


def ref_name(schema: dict[str, object]) -> str | None:
    """The name behind a $ref; None: it is none."""
    ref = schema.get("$ref")
    return ref.rpartition("/")[2] if isinstance(ref, str) else None


def optional_of(schema: dict[str, object]) -> dict[str, object] | None:
    """What may be null otherwise: the X of X | None. None: it is something else."""
    parts = schema.get("anyOf")
    if not isinstance(parts, list) or len(parts) != 2:
        return None
    wanted = [part for part in parts if part != {"type": "null"}]
    return wanted[0] if len(wanted) == 1 else None


def methods_of(document: dict[str, object]) -> dict[str, dict[str, object]]:
    methods = document["methods"]
    assert isinstance(methods, dict)
    return methods
