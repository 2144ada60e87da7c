// Colours of devices on the map by state, group, version or any number, each with a legend.
// Categories also have a number in their mark, numbers also a size, and hovering shows the text: never colour alone.

import { STATES, count, seconds } from "./format.js";

// Distinct also with colour blindness, and with enough contrast to the panel.
const CATEGORIES_LIGHT = ["#0b5cad", "#b35c00", "#007a5a", "#8a3d77", "#5a4fcf", "#7a6a00", "#c03000", "#656d76"];
const CATEGORIES_DARK = ["#6cb2ff", "#f0a33c", "#34c796", "#d98ac3", "#a79bff", "#d9c94a", "#ff7a52", "#a3adb8"];
// From low to high; lightness grows or falls evenly.
const STEPS_LIGHT = ["#a9b7c9", "#86a2c8", "#5f8bc6", "#3a72b8", "#245a9c", "#16427a", "#0a2a55"];
const STEPS_DARK = ["#3d4a5c", "#43648c", "#4a7fb8", "#5b9bd9", "#7ab6ef", "#a6d0fa", "#d8ecff"];
const NONE = "#8a929c";

function isDarkScheme() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// What the map shows: for each device a class, and for each class a colour, a text, and what tells it apart besides colour.
export class Colouring {
  constructor(store) {
    this.store = store;
    this.by = "state";
    this.column = null;
  }

  choose(by) {
    this.by = by;
    this.column = null;
  }

  get isState() {
    return this.by === "state";
  }

  // Takes the answer of `GET /values`.
  take(column) {
    this.column = column;
    if (column.labels) {
      this.kinds = Uint8Array.from(column.values, (value) => Math.min(value ?? 255, 255));
      return;
    }
    const known = column.values.filter((value) => value !== null);
    const low = known.reduce((least, value) => Math.min(least, value), Infinity);
    const high = known.reduce((most, value) => Math.max(most, value), -Infinity);
    const step = (high - low) / STEPS_LIGHT.length || 1;
    this.range = known.length ? { low, high, step } : null;
    this.kinds = Uint8Array.from(column.values, (value) => (value === null ? 255 : Math.min(STEPS_LIGHT.length - 1, Math.floor((value - low) / step))));
  }

  // The class of each device; 255 is none.
  classes() {
    const { store } = this;
    if (this.by === "state") return store.codes;
    if (this.by === "group") return store.groupOf;
    return this.column ? this.kinds : null;
  }

  // The classes with their colours and texts.
  entries() {
    const dark = isDarkScheme();
    const key = [dark, this.by, this.store.revision].join();
    if (key !== this.entriesKey || this.column !== this.entriesColumn) [this.entriesKey, this.entriesColumn, this.known] = [key, this.column, this.listEntries(dark)];
    return this.known;
  }

  listEntries(dark) {
    const { store } = this;
    const categories = dark ? CATEGORIES_DARK : CATEGORIES_LIGHT;
    const category = (text, at) => ({ kind: at, text, sign: String(at + 1), colour: categories[at % categories.length] });
    if (this.by === "state") {
      const style = getComputedStyle(document.documentElement);
      return STATES.map((state, code) => ({ kind: code, text: state.name, sign: state.sign, letter: state.letter, colour: style.getPropertyValue("--state-" + state.letter).trim() }));
    }
    if (this.by === "group") return store.groups.map((group, at) => category(group.name, at));
    if (!this.column) return [];
    if (this.column.labels) return this.column.labels.map(category);
    const steps = dark ? STEPS_DARK : STEPS_LIGHT;
    const none = { kind: 255, text: "none", sign: "–", colour: NONE, size: 0.7 };
    if (!this.range) return [none];
    const { low, high, step } = this.range;
    if (low === high) return [{ kind: 0, text: this.text(low), sign: "▪", colour: steps.at(-1), size: 1 }, none];
    return [...steps.map((colour, at) => ({ kind: at, text: this.text(low + at * step) + " to " + this.text(low + (at + 1) * step), sign: "▪", colour, size: 0.6 + (0.8 * at) / steps.length })), none];
  }

  text(value) {
    const { unit } = this.column;
    if (unit === "s" && value >= 0) return seconds(value);
    // As many digits as tell two steps apart.
    const digits = Math.min(6, Math.max(0, Math.ceil(-Math.log10(this.range?.step ?? 1))));
    const number = Math.abs(value) >= 1000 ? count(value) : value.toFixed(digits);
    return number + (unit ? " " + unit : "");
  }

  // The value of a device as text; empty for states, which the mark shows.
  valueOf(position) {
    const { store } = this;
    if (this.by === "state") return "";
    if (this.by === "group") return store.groupName(position);
    const value = this.column?.values[position];
    if (value === null || value === undefined) return "none";
    return this.column.labels ? this.column.labels[value] : this.text(value);
  }
}

// Numbers of devices in each class.
export function countClasses(classes, total) {
  const counts = new Uint32Array(256);
  for (let at = 0; at < total; at++) counts[Math.min(classes[at], 255)]++;
  return counts;
}
