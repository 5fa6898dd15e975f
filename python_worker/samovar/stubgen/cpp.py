"""A C++ header out of a schema: structs, enums, and a class with a method for each of the service's."""

import dataclasses
import json
import textwrap
from typing import Any

import msgpack

from samovar.schema import without_descriptions
from samovar.stubgen.names import camel, identifier, methods_of, optional_of, ref_name

Schema = dict[str, Any]

_WORDS = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
    concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do
    double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires return
    short signed sizeof static static_assert static_cast struct switch template this thread_local throw true try typedef
    typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq samovar std msgpack options client_
    done item end kSchema
    EOF NULL errno assert major minor unix linux stdin stdout stderr""".split()
)
_SCALARS = {
    "integer": "std::int64_t",
    "number": "double",
    "boolean": "bool",
    "string": "std::string",
}
_ELEMENTS = {
    "b1": "bool",
    "i1": "std::int8_t",
    "i2": "std::int16_t",
    "i4": "std::int32_t",
    "i8": "std::int64_t",
    "u1": "std::uint8_t",
    "u2": "std::uint16_t",
    "u4": "std::uint32_t",
    "u8": "std::uint64_t",
    "f4": "float",
    "f8": "double",
    "c8": "std::complex<float>",
    "c16": "std::complex<double>",
}
_WIDTH = 100
_LONG = 50  # a result's type beyond this gets a name


@dataclasses.dataclass(frozen=True)
class _Form:
    """One of the forms in which a method can be called: its head and its body, and the callables that it takes."""

    head: str
    body: str
    callables: tuple[str, ...] = ()

    def text(self, words: dict[str, str], declared: list[str], group: str) -> str:
        types = [
            *(f"typename {each}" for each in self.callables),
            f"samovar::StubOption{group}... Options",
        ]
        callables = [f"{each}&& {each[2:].lower()}" for each in self.callables]
        parameters = ", ".join([*declared, *callables, "const Options&... options"])
        head, body = self.head.format(**words), self.body.format(**words)
        return f"  template <{', '.join(types)}>\n  {head}({parameters}) {{\n    {body}\n  }}"


_CALL_FORMS = (
    _Form("{result} {plain}", "return client_->call<{result}>({given}, options...);"),
    _Form(
        "samovar::Result<{result}> try_{own}",
        "return client_->try_call<{result}>({given}, options...);",
    ),
    _Form(
        "samovar::Future<{result}> async_{own}",
        "return client_->async_call<{result}>({given}, options...);",
    ),
    _Form(
        "requires std::invocable<OnDone&, samovar::Result<{result}>>\n  void async_{own}",
        "client_->async_call<{result}>({given}, options..., std::forward<OnDone>(done));",
        ("OnDone",),
    ),
    _Form(
        "samovar::CoCall<{result}> co_{own}",
        "return client_->co_call<{result}>({given}, options...);",
    ),
)
_STREAM_FORMS = (
    _Form(
        "samovar::Stream<{result}> {plain}",
        "return client_->stream<{result}>({given}, options...);",
    ),
    _Form(
        "requires std::invocable<OnEnd&, samovar::Result<void>>\n  samovar::StreamHandle async_{own}",
        "return client_->async_stream<{result}>({given}, options..., std::forward<OnItem>(item), std::forward<OnEnd>(end));",
        ("OnItem", "OnEnd"),
    ),
    _Form(
        "samovar::CoStream<{result}> co_{own}",
        "return client_->co_stream<{result}>({given}, options...);",
    ),
)


class CppStub:
    """The header of one schema. text() is all of it."""

    def __init__(self, document: Schema, namespace: str | None = None) -> None:
        self._document = document
        self._definitions: dict[str, Schema] = document["$defs"]
        self._service: str = document["service"]
        self._namespace = namespace or identifier(self._service, _WORDS)
        self._types = {name: identifier(name, _WORDS | {"Client"}) for name in self._definitions}
        self._taken = set(self._types.values()) | {"Client"}
        self._check_names()

    def _check_names(self) -> None:
        taken: dict[str, str] = {}
        for method in methods_of(self._document):
            for form in ("", "try_", "async_", "co_"):
                name = identifier(f"{form}{method}", _WORDS)
                if taken.setdefault(name, method) != method:
                    raise ValueError(
                        f"the methods {taken[name]!r} and {method!r} both become {name} in C++: rename one of them"
                    )

    def text(self) -> str:
        parts = [
            self._head(),
            *self._enums(),
            *self._structs(),
            *self._aliases(),
            *self._groups(),
            self._client(),
        ]
        body = "\n\n".join(part for part in parts if part)
        values = "".join(self._enum_values())
        closing = f"}}  // namespace {self._namespace}\n"
        if values:
            opening, rest = self._split(parts)
            return f"{opening}\n\n{closing}\n{values}\nnamespace {self._namespace} {{\n\n{rest}\n\n{closing}"
        return f"{body}\n\n{closing}"

    def _split(self, parts: list[str]) -> tuple[str, str]:
        """What stands before the values of enums, and behind."""
        enums = 1 + len(self._enums())
        return "\n\n".join(parts[:enums]), "\n\n".join(part for part in parts[enums:] if part)

    def _head(self) -> str:
        packed = msgpack.packb(without_descriptions(self._document))
        lines = [
            f"// The service '{self._service}', for callers in C++. Made by samovar stubgen: do not edit, make it again.",
            "// clang-format off",
            "#pragma once",
            "",
            "#include <samovar/stub.hpp>",
            "",
            f"namespace {self._namespace} {{",
            "",
            "// What this was made of: calls end as `schema_mismatch` when the service has changed so that they would do harm.",
            f"inline constexpr samovar::Schema kSchema{{{self._document['hash']}u,",
            *_literal(packed),
        ]
        lines[-1] += "};"
        return "\n".join(lines)

    # --- types -----------------------------------------------------------------------------------------

    def type(self, schema: Schema) -> str:
        """What holds a value of this schema."""
        name = ref_name(schema)
        if name is not None:
            return self._types[name]
        inside = optional_of(schema)
        if inside is not None:
            return f"std::optional<{self.type(inside)}>"
        if "enum" in schema:
            kinds = {type(value) for value in schema["enum"]}
            names = {str: "std::string", int: "std::int64_t", bool: "bool"}
            return names.get(kinds.pop(), "samovar::Value") if len(kinds) == 1 else "samovar::Value"
        if "x-samovar-array" in schema:
            element = _ELEMENTS.get(schema["x-samovar-array"])
            return f"samovar::Array<{element}>" if element else "samovar::Value"
        kind = schema.get("type")
        if kind == "array":
            return self._list(schema)
        if kind == "object":
            key = self.type(schema.get("x-samovar-keys", {"type": "string"}))
            return f"std::map<{key}, {self.type(schema['additionalProperties'])}>"
        if schema.get("contentEncoding"):
            return "std::vector<std::uint8_t>"
        if schema.get("format") == "date-time":
            return "std::chrono::system_clock::time_point"
        return _SCALARS.get(kind or "", "samovar::Value")

    def _list(self, schema: Schema) -> str:
        if "prefixItems" in schema:
            return f"std::tuple<{', '.join(self.type(each) for each in schema['prefixItems'])}>"
        return f"std::vector<{self.type(schema['items'])}>"

    def _parameter_type(self, schema: Schema) -> str:
        name = self.type(schema)
        if name == "std::string":
            return "std::string_view"
        is_enum = "enum" in self._definitions.get(ref_name(schema) or "", {})
        by_value = is_enum or name in ("std::int64_t", "double", "bool", "std::string_view")
        return name if by_value else f"const {name}&"

    # --- enums and structs -----------------------------------------------------------------------------

    def _enums(self) -> list[str]:
        return [self._enum(name) for name, each in self._definitions.items() if "enum" in each]

    def _enum(self, name: str) -> str:
        definition = self._definitions[name]
        members = ",\n  ".join(self._members(definition))
        comment = _comment(definition.get("description"))
        return f"{comment}enum class {self._types[name]} {{\n  {members},\n}};"

    def _members(self, definition: Schema) -> list[str]:
        names = definition.get("x-samovar-names") or [str(value) for value in definition["enum"]]
        return [identifier(name, _WORDS) for name in names]

    def _enum_values(self) -> list[str]:
        texts = []
        for name, definition in self._definitions.items():
            if "enum" not in definition:
                continue
            values = definition["enum"]
            is_text = isinstance(values[0], str)
            kind = "std::string_view" if is_text else "std::int64_t"
            listed = ", ".join(_quoted(each) if is_text else str(each) for each in values)
            texts.append(
                f"template <>\nstruct samovar::EnumValues<{self._namespace}::{self._types[name]}> {{\n"
                f"  static constexpr std::array<{kind}, {len(values)}> values{{{listed}}};\n}};\n"
            )
        return texts

    def _structs(self) -> list[str]:
        names = [name for name, each in self._definitions.items() if "enum" not in each]
        ordered = self._ordered(names)
        declared = "\n".join(f"struct {self._types[name]};" for name in ordered)
        return [declared, *(self._struct(name) for name in ordered)] if ordered else []

    def _ordered(self, names: list[str]) -> list[str]:
        """Each behind those that it holds by value."""
        ordered: list[str] = []
        under_way: set[str] = set()

        def visit(name: str) -> None:
            if name in ordered or name in under_way:
                return
            under_way.add(name)
            for schema in self._definitions[name]["properties"].values():
                for inside in self._held(schema):
                    visit(inside)
            ordered.append(name)

        for name in names:
            visit(name)
        return ordered

    def _held(self, schema: Schema) -> set[str]:
        """The structs that a value of this schema holds within itself."""
        name = ref_name(schema)
        if name is not None:
            return set() if "enum" in self._definitions[name] else {name}
        inside = optional_of(schema)
        parts = [inside] if inside is not None else schema.get("prefixItems", [])
        return set().union(*(self._held(part) for part in parts)) if parts else set()

    def _holds_itself(self, name: str, schema: Schema) -> bool:
        seen: set[str] = set()
        to_see = self._held(schema)
        while to_see:
            each = to_see.pop()
            if each == name:
                return True
            seen.add(each)
            for inside in self._definitions[each]["properties"].values():
                to_see |= self._held(inside) - seen
        return False

    def _struct(self, name: str) -> str:
        definition = self._definitions[name]
        own = self._types[name]
        lines = []
        fields = []
        for field, schema in definition["properties"].items():
            member = identifier(field, _WORDS)
            required = field in definition["required"]
            lines.append(
                _comment(schema.get("description"), "  ")
                + f"  {self._member(name, schema, required)};".replace("@", member)
            )
            suffix = "" if required else ", false"
            fields.append(f"samovar::field({_quoted(field)}, &{own}::{member}{suffix})")
        listed = ",\n                           ".join(fields)
        body = "\n".join(lines)
        comment = _comment(definition.get("description"))
        return (
            f"{comment}struct {own} {{\n{body}\n\n"
            f"  static constexpr auto samovar_fields() {{\n    return std::make_tuple({listed});\n  }}\n}};"
        )

    def _member(self, struct: str, schema: Schema, required: bool) -> str:
        inside = optional_of(schema)
        kind = self.type(schema)
        if inside is not None and self._holds_itself(struct, inside):
            return f"std::shared_ptr<{self.type(inside)}> @{{}}"  # a std::optional needs the whole type
        if required:
            return f"{kind} @{{}}"
        default = schema.get("default")
        if default == "" and "contentEncoding" in schema:
            return f"{kind} @{{}}"
        if default is not None and not (isinstance(default, (list, dict)) and default):
            return f"{kind} @{{{self._value(default, schema)}}}"
        return f"{kind} @{{}}" if inside is not None else f"std::optional<{kind}> @{{}}"

    def _value(self, value: Any, schema: Schema) -> str:
        """A default as C++."""
        name = ref_name(schema)
        if name is not None:
            definition = self._definitions[name]
            return (
                f"{self._types[name]}::{self._members(definition)[definition['enum'].index(value)]}"
            )
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return _quoted(value)
        return "" if isinstance(value, (list, dict)) else repr(value)

    # --- methods ---------------------------------------------------------------------------------------

    def _groups(self) -> list[str]:
        return [text for name in methods_of(self._document) if (text := self._group(name))]

    def _group_name(self, method: str) -> str:
        name = f"{camel(method)}Optional"
        return f"{name}_" if name in self._taken else name

    def _optional(self, method: str) -> list[Schema]:
        """Its parameters that may be left out. (One that can only be given by its place cannot, in C++.)"""
        return [
            each
            for each in methods_of(self._document)[method]["parameters"]  # type: ignore[attr-defined]
            if not each["required"] and not each.get("positional_only")
        ]

    def _group(self, method: str) -> str:
        optional = self._optional(method)
        if not optional:
            return ""
        own = self._group_name(method)
        lines, keywords = [], []
        for each in optional:
            inside = optional_of(each["schema"]) or each["schema"]
            member = identifier(each["name"], _WORDS)
            default = json.dumps(each["default"]) if "default" in each else ""
            text = each["schema"].get("description", "")
            comment = ". ".join(part for part in (text, default and f"Default: {default}") if part)
            lines.append(
                f"{_comment(comment, '  ')}  std::optional<{self.type(inside)}> {member}{{}};"
            )
            keywords.append(f"std::pair{{{_quoted(each['name'])}, &{own}::{member}}}")
        listed = ",\n                           ".join(keywords)
        body = "\n".join(lines)
        return (
            f"// What may be left out of a call of {method}.\nstruct {own} {{\n{body}\n\n"
            f"  static constexpr auto samovar_keywords() {{\n    return std::make_tuple({listed});\n  }}\n}};"
        )

    def _client(self) -> str:
        methods = "\n\n".join(self._method(name) for name in methods_of(self._document))
        text = self._document.get("description", "")
        return f"""{_comment(text)}// Each method comes in several forms: NAME waits and throws samovar::Error, try_NAME gives a samovar::Result, async_NAME
// a samovar::Future, or calls back where a callable stands behind the arguments, co_NAME is for co_await. Streams: NAME is a
// range, async_NAME calls back, co_NAME is for co_await. Behind the arguments may stand, in any order: the method's struct of optional arguments, and the
// options of samovar/options.hpp, as in samovar::timeout(50ms). Thread-safe.
class Client {{
 public:
  // Borrowed: it lives longer than this.
  explicit Client(samovar::Client& client) : client_(&client) {{}}

{methods}

 private:
  samovar::Client* client_;
}};"""

    def _method(self, name: str) -> str:
        method: Any = methods_of(self._document)[name]
        parameters = [
            each for each in method["parameters"] if each["required"] or each.get("positional_only")
        ]
        declared = [
            f"{self._parameter_type(each['schema'])} {identifier(each['name'], _WORDS)}"
            for each in parameters
        ]
        given = [f'"{self._service}.{name}"']
        for each in parameters:
            value = identifier(each["name"], _WORDS)
            by_name = each.get("keyword_only")
            given.append(f"samovar::kw({_quoted(each['name'])}, {value})" if by_name else value)
        given.append("samovar::built_against(kSchema)")
        if method.get("idempotent"):
            given.append("samovar::idempotent")
        group = f"<{self._group_name(name)}>" if self._optional(name) else "<>"
        own = identifier(name, frozenset())
        comment = _comment(method.get("description"), "  ")
        words = {
            "own": own,
            "plain": identifier(own, _WORDS),
            "result": self._result(name, method),
            "given": ", ".join(given),
        }
        forms = _STREAM_FORMS if method.get("stream") else _CALL_FORMS
        return comment + "\n".join(form.text(words, declared, group) for form in forms)

    def _aliases(self) -> list[str]:
        lines = []
        for name, method in methods_of(self._document).items():
            kind = self._result_type(method)
            if len(kind) > _LONG:
                lines.append(f"using {self._alias(name)} = {kind};")
        return ["\n".join(lines)] if lines else []

    def _alias(self, method: str) -> str:
        name = f"{camel(method)}Result"
        return f"{name}_" if name in self._taken else name

    def _result(self, name: str, method: Any) -> str:
        kind = self._result_type(method)
        return self._alias(name) if len(kind) > _LONG else kind

    def _result_type(self, method: Any) -> str:
        if method["result"] == {"type": "null"} and not method.get("stream"):
            return "void"
        return self.type(method["result"])


def _comment(text: str | None, indent: str = "") -> str:
    if not text:
        return ""
    lines = []
    for line in text.replace("??", "? ?").splitlines():  # no trigraphs
        lines += textwrap.wrap(line, _WIDTH - len(indent) - 3) or [""]
    # A backslash at the end of a line would join the next one to the comment.
    return "".join(f"{indent}// {line}".rstrip().rstrip("\\") + "\n" for line in lines)


def _quoted(text: str) -> str:
    """A string literal: bytes beyond ASCII as octal escapes, which end after three digits."""
    out = ""
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\?':
            out += f"\\{char}"
        else:
            out += char if 32 <= byte < 127 else f"\\{byte:03o}"
    return f'"{out}"'


def _literal(data: bytes) -> list[str]:
    """`data` as a std::string_view, in lines. Its length is told, since it may hold zeros."""
    lines, line = [], ""
    for byte in data:
        char = chr(byte)
        line += f"\\{char}" if char in '"\\?' else char if 32 <= byte < 127 else f"\\{byte:03o}"
        if len(line) > _WIDTH - 12:
            lines.append(line)
            line = ""
    lines.append(line)
    quoted = [f'    "{each}"' for each in lines]
    quoted[0] = f"    {{{quoted[0].strip()}"
    quoted[-1] += f", {len(data)}}}"
    return quoted
