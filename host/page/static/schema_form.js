// A form for a JSON Schema: the fields of an object, with their descriptions, as inputs.

import { el } from "./dom.js";

export function resolve(schema, root) {
  let found = schema;
  for (let depth = 0; found?.$ref && depth < 20; depth++) {
    const path = found.$ref.replace(/^#\//, "").split("/");
    found = path.reduce((at, part) => at?.[part.replace(/~1/g, "/").replace(/~0/g, "~")], root);
  }
  return found ?? {};
}

// The fields of an object schema, those of `allOf` included.
export function fieldsOf(schema, root) {
  const own = resolve(schema, root);
  const fields = new Map();
  const required = new Set(own.required ?? []);
  for (const part of own.allOf ?? []) {
    const inner = fieldsOf(part, root);
    inner.fields.forEach((value, name) => fields.set(name, value));
    inner.required.forEach((name) => required.add(name));
  }
  for (const [name, value] of Object.entries(own.properties ?? {})) fields.set(name, value);
  return { fields, required };
}

// Inputs for the fields. `read` gives an object of those that are filled in, or throws with the name of the field.
// `suggestions` has values that a field may have, by its name.
export function schemaForm(schema, root, leaveOut = [], suggestions = {}) {
  const { fields, required } = fieldsOf(schema, root);
  const readers = [];
  const lines = [...fields].filter(([name]) => !leaveOut.includes(name))
    .sort(([a], [b]) => required.has(b) - required.has(a))
    .map(([name, field]) => fieldLine(name, field, root, required.has(name), readers, suggestions[name]));
  return {
    element: el("div", { class: "fields" }, lines),
    read() {
      const value = {};
      for (const reader of readers) reader(value);
      return value;
    },
  };
}

function fieldLine(name, field, root, isRequired, readers, suggested) {
  const full = { ...resolve(field, root), ...field, ...(suggested ? { enum: suggested, absent: "all" } : {}) };
  const input = inputFor(full, root);
  const id = "field-" + name + "-" + Math.random().toString(36).slice(2, 8);
  input.id = id;
  readers.push((value) => {
    const read = readInput(input, full, name, isRequired);
    if (read !== undefined) value[name] = read;
  });
  const mark = isRequired ? " (required)" : "";
  const standard = full.default === undefined || full.default === null ? "" : " Default: " + JSON.stringify(full.default) + ".";
  return el("div", {},
    el("div", { class: "field" }, el("label", { for: id }, el("span", { class: "mono" }, name), mark), input),
    el("p", { class: "hint" }, (full.description ?? "") + standard));
}

// The values of a field that allows only some, also within a reference or beside null; null for any other field.
function choicesOf(field, root) {
  if (field.const !== undefined) return [field.const];
  if (field.enum) return field.enum.filter((value) => value !== null);
  const variants = (field.oneOf ?? field.anyOf ?? []).map((variant) => resolve(variant, root)).filter((variant) => variant.type !== "null");
  const choices = variants.map((variant) => choicesOf(variant, root));
  return choices.length && choices.every((some) => some !== null) ? choices.flat() : null;
}

function inputFor(field, root) {
  const choices = choicesOf(field, root);
  if (choices) {
    return el("select", {}, el("option", { value: "" }, field.absent ?? "default"), choices.map((choice) => el("option", { value: String(choice) }, String(choice))));
  }
  const types = [field.type].flat();
  if (types.includes("boolean")) {
    return el("select", {}, ["", "true", "false"].map((value) => el("option", { value }, value || "default")));
  }
  const example = field.examples?.[0] ?? "";
  const hint = types.includes("object") || types.includes("array") ? "JSON" : String(example);
  return el("input", { type: "text", placeholder: hint, autocomplete: "off", spellcheck: "false" });
}

// A number is a number, JSON is JSON, and all else is text, as the host reads durations and rates.
function readInput(input, field, name, isRequired) {
  const text = input.value.trim();
  if (text === "") {
    if (isRequired) throw new Error("Fill in “" + name + "”.");
    return undefined;
  }
  const types = [field.type].flat();
  if (types.includes("boolean")) return text === "true";
  if (input.tagName === "SELECT") return text;
  const isNumber = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text);
  if (isNumber && !(types.length === 1 && types[0] === "string")) return Number(text);
  if (/^[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error("“" + name + "” is no JSON.");
    }
  }
  return text;
}
