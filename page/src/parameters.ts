// Fields for the arguments of a method, out of its schema (docs/stubs.md). What a field holds is kept as the text of JSON, so
// that a number of 64 bits loses nothing.
import { h } from "./dom";

interface Schema {
  $ref?: string;
  anyOf?: Schema[];
  type?: string;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  contentEncoding?: string;
  title?: string;
}

interface Parameter {
  name: string;
  schema: Schema;
  required?: boolean;
  default?: unknown;
  positional_only?: boolean;
}

export interface MethodSchema {
  parameters: Parameter[];
  description?: string;
}

export interface ServiceSchema {
  methods: Record<string, MethodSchema>;
  $defs: Record<string, Schema>;
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

interface Field {
  parameter: Parameter;
  control: Control;
  isText: boolean; // what is typed is a text, and no JSON
}

export class WrongArgument extends Error {}

// Of a type or null the type.
function resolved(schema: Schema, definitions: Record<string, Schema>): Schema {
  if (schema.$ref) return resolved(definitions[schema.$ref.replace("#/$defs/", "")] ?? {}, definitions);
  const others = schema.anyOf?.filter((each) => each.type !== "null") ?? [];
  return others.length === 1 ? resolved(others[0], definitions) : schema;
}

function kindOf(schema: Schema): string {
  if (schema.contentEncoding === "base64") return "bytes in base64";
  if (schema.format === "date-time") return "a time like 2026-11-24T19:38:42Z";
  if (schema.type === "string") return "text";
  if (schema.type === "integer") return "a whole number";
  if (schema.type === "number") return "a number";
  return "JSON";
}

function choice(values: unknown[], isRequired: boolean): HTMLSelectElement {
  const texts = values.map((value) => JSON.stringify(value));
  const options = texts.map((text) => h("option", { value: text }, text.replace(/^"(.*)"$/, "$1")));
  if (!isRequired) options.unshift(h("option", { value: "" }, "(not given)"));
  return h("select", {}, ...options) as HTMLSelectElement;
}

function controlOf(parameter: Parameter, schema: Schema): Control {
  const isRequired = parameter.required ?? false;
  if (schema.enum) return choice(schema.enum, isRequired);
  if (schema.type === "boolean") return choice([true, false], isRequired);
  if (["string", "integer", "number"].includes(schema.type ?? "")) {
    const mode = schema.type === "integer" ? "numeric" : schema.type === "number" ? "decimal" : "text";
    return h("input", { type: "text", inputmode: mode, autocomplete: "off", spellcheck: "false" }) as HTMLInputElement;
  }
  return h("textarea", { rows: "2", spellcheck: "false" }) as HTMLTextAreaElement;
}

export class Parameters {
  private fields: Field[] = [];

  constructor(private readonly parent: HTMLElement) {}

  // False when there are no fields for this method: its arguments have to be typed as JSON.
  show(service: ServiceSchema | null, name: string): boolean {
    this.fields = [];
    this.parent.replaceChildren();
    const method = service?.methods[name];
    if (!service || !method || method.parameters.some((each) => each.positional_only)) return false;
    if (method.description) this.parent.append(h("p", { class: "quiet description" }, method.description));
    for (const parameter of method.parameters) this.add(parameter, resolved(parameter.schema, service.$defs));
    return true;
  }

  private add(parameter: Parameter, schema: Schema): void {
    const control = controlOf(parameter, schema);
    const id = `parameter-${parameter.name}`;
    control.id = id;
    control.setAttribute("aria-describedby", `${id}-help`);
    const isText = schema.type === "string" && !schema.enum;
    if (parameter.required && !isText) control.required = true;
    const rest = parameter.required
      ? ""
      : parameter.default === undefined
        ? "; may be left out"
        : `; ${JSON.stringify(parameter.default)} if left out`;
    const kind = control instanceof HTMLSelectElement ? "one of these" : kindOf(schema);
    const help = h("span", { id: `${id}-help`, class: "quiet" }, kind + rest);
    this.parent.append(h("p", { class: "field" }, h("label", { for: id }, parameter.name), control, help));
    this.fields.push({ parameter, control, isText });
  }

  // The arguments by name, as JSON. Throws WrongArgument.
  body(): string {
    const given = this.fields.filter(({ parameter, control }) => control.value !== "" || parameter.required);
    const entries = given.map(({ parameter, control, isText }) => {
      if (isText) return `${JSON.stringify(parameter.name)}: ${JSON.stringify(control.value)}`;
      try {
        JSON.parse(control.value);
      } catch {
        control.focus();
        throw new WrongArgument(`${parameter.name} is no JSON: ${control.value || "nothing is given"}`);
      }
      return `${JSON.stringify(parameter.name)}: ${control.value}`;
    });
    return `{${entries.join(", ")}}`;
  }
}
