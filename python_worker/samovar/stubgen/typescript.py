"""Types for the Node client out of a schema: what client.service<T>() and client.streams<T>() take."""

import json
from typing import Any

from samovar.stubgen.names import camel, identifier, methods_of, ref_name

Schema = dict[str, Any]

_WORDS = frozenset(
    """break case catch class const continue debugger default delete do else enum export extends false finally for function
    if import in instanceof new null return super switch this throw true try typeof var void while with as implements
    interface let package private protected public static yield any boolean number string symbol type Promise Stream
    Keywords NdArray Date Uint8Array""".split()
)
_SCALARS = {"integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


class TypeScriptStub:
    """The declarations of one schema. text() is all of them."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._definitions: dict[str, Schema] = document["$defs"]
        self._types = {name: identifier(name, _WORDS) for name in self._definitions}

    def text(self) -> str:
        service = self._document["service"]
        streams = {
            name: each for name, each in methods_of(self._document).items() if each.get("stream")
        }
        calls = {
            name: each for name, each in methods_of(self._document).items() if name not in streams
        }
        parts = [
            f"// The service '{service}'. Made by samovar stubgen: do not edit, make it again.\n"
            "// (An int beyond 2^53 - 1 arrives as a bigint.)\n"
            'import type { Keywords, NdArray, Stream, Value } from "samovar";',
            *(self._definition(name) for name in self._definitions),
            self._interface(
                camel(service), calls, f'client.service<{camel(service)}>("{service}")'
            ),
        ]
        if streams:
            name = f"{camel(service)}Streams"
            parts.append(self._interface(name, streams, f'client.streams<{name}>("{service}")'))
        return "\n\n".join(parts) + "\n"

    def _definition(self, name: str) -> str:
        definition = self._definitions[name]
        comment = _comment(definition.get("description"))
        if "enum" in definition:
            values = " | ".join(json.dumps(value) for value in definition["enum"])
            return f"{comment}export type {self._types[name]} = {values};"
        lines = []
        for field, schema in definition["properties"].items():
            mark = "" if field in definition["required"] else "?"
            text = _comment(schema.get("description"), "  ")
            lines.append(f"{text}  {_key(field)}{mark}: {self.type(schema)};\n")
        return f"{comment}export interface {self._types[name]} {{\n{''.join(lines)}}}"

    def _interface(self, name: str, methods: dict[str, Any], use: str) -> str:
        lines = [f"// {use}\nexport interface {name} {{\n"]
        for each, method in methods.items():
            result = self.type(method["result"])
            kind = "Stream" if method.get("stream") else "Promise"
            wanted = f"{kind}<{'void' if result == 'null' and kind == 'Promise' else result}>"
            lines.append(_comment(method.get("description"), "  "))
            lines.append(f"  {_key(each)}({self._parameters(method)}): {wanted};\n")
        return "".join([*lines, "}"])

    def _parameters(self, method: Schema) -> str:
        """Those that are given by their place; then one object for those that go by name."""
        by_place, by_name = [], []
        needed = False
        for each in method["parameters"]:
            kind = self.type(each["schema"])
            if each["required"] and not each.get("keyword_only"):
                by_place.append(f"{identifier(each['name'], _WORDS)}: {kind}")
            elif not each.get("positional_only"):
                needed = needed or each["required"]
                by_name.append(f"{_key(each['name'])}{'' if each['required'] else '?'}: {kind}")
        if by_name:
            mark = "" if needed else "?"
            by_place.append(f"keywords{mark}: Keywords<{{ {'; '.join(by_name)} }}>")
        return ", ".join(by_place)

    def type(self, schema: Schema) -> str:
        name = ref_name(schema)
        if name is not None:
            return self._types[name]
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(self.type(part) for part in schema["anyOf"]))
        if "enum" in schema:
            return " | ".join(json.dumps(value) for value in schema["enum"])
        if "x-samovar-array" in schema:
            return "NdArray"
        kind = schema.get("type")
        if kind == "array" and "prefixItems" in schema:
            return f"[{', '.join(self.type(each) for each in schema['prefixItems'])}]"
        if kind == "array":
            inside = self.type(schema["items"])
            return f"({inside})[]" if "|" in inside else f"{inside}[]"
        if kind == "object":
            return f"Record<string, {self.type(schema['additionalProperties'])}>"
        if kind == "string":
            bytes_or_text = "Uint8Array" if schema.get("contentEncoding") else "string"
            return "Date" if schema.get("format") else bytes_or_text
        return _SCALARS.get(kind or "", "Value")


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else json.dumps(name)


def _comment(text: str | None, indent: str = "") -> str:
    if not text:
        return ""
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    middle = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{middle}{indent} */\n"
