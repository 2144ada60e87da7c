// All devices on one canvas: by the topology's layout, or as a grid of groups.

import { getJson } from "./api.js";
import { el, fill } from "./dom.js";
import { STATES, codeOf, count, plural } from "./format.js";
import { Colouring, countClasses } from "./map_colours.js";
import { placeDevices } from "./map_layout.js";
import { Flights } from "./map_messages.js";
import { paintMap } from "./map_paint.js";

const MAX_SELECTED = 1000;
const VALUES_MS = 3000;
const VALUES_MS_OF_MANY = 15000;
const MANY = 20000;

let mapNumber = 0;

export class MapView {
  constructor(app, of = "") {
    this.app = app;
    // Two maps beside each other have names of their own.
    this.id = "map-" + mapNumber++;
    this.filter = null;
    this.search = "";
    this.selected = new Set();
    this.cursor = null;
    this.scale = 1;
    this.offset = [0, 0];
    this.colouring = new Colouring(app.store);
    this.canvas = el("canvas", { role: "application", tabindex: "0", id: this.id, "aria-describedby": this.id + "-keys", "aria-label": "Map of the devices" + of });
    this.tip = el("div", { class: "tip", hidden: true });
    this.legend = el("div", { class: "legend", role: "group", "aria-label": "Legend" + of });
    this.found = el("p", { class: "hint", role: "status" });
    this.actions = el("div", { class: "row" });
    this.colour = el("select", { id: this.id + "-colour", onchange: () => this.recolour(this.colour.value) });
    this.fillColours([]);
    this.messages = new Flights(app, this.id, () => this.draw());
    this.element = el("div", { class: "view" },
      el("section", { class: "panel", "aria-label": "What the map shows" + of },
        el("div", { class: "row" },
          el("label", {}, "Search ", el("input", { type: "search", id: this.id + "-search", oninput: (event) => this.find(event.target.value) })),
          el("label", {}, "Colour by ", this.colour),
          el("button", { "data-map": "fit", onclick: () => this.fit() }, "Show all"),
          el("button", { "data-map": "in", onclick: () => this.zoom(1.5) }, "Zoom in"),
          el("button", { "data-map": "out", onclick: () => this.zoom(1 / 1.5) }, "Zoom out"),
          this.messages.element),
        this.legend, this.found, this.actions,
        el("p", { class: "visually-hidden", id: this.id + "-keys" }, "Arrow keys move the map, plus and minus zoom. N and P go to the next and the previous device, Enter opens it, Space selects it.")),
      el("section", { class: "panel map", "aria-label": "Map" + of }, this.canvas, this.tip));
    this.listenToPointer();
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => {
      this.sized = false;
      this.draw();
    });
    this.observer.observe(this.canvas);
    if (app.colourBy) {
      this.recolour(app.colourBy);
      app.colourBy = null;
    } else if (app.store.isLive) this.loadValues("version");
    this.messages.followMessages();
  }

  fillColours(available) {
    const names = { version: "behaviour version", clock_error: "clock error" };
    const choices = ["state", "group", ...available];
    fill(this.colour, choices.map((name) => el("option", { value: name }, names[name] ?? name.replace(/^metric:/, "").replaceAll("_", " "))));
    this.colour.value = this.colouring.by;
    this.available = available.join();
  }

  recolour(by) {
    this.colouring.choose(by);
    this.filter = null;
    this.legendKey = null;
    if (this.colour.value !== by) this.colour.value = by;
    if (by !== "state" && by !== "group") this.loadValues(by);
    this.update();
  }

  async loadValues(of) {
    this.valuesAt = performance.now();
    try {
      const column = await getJson("/values?of=" + encodeURIComponent(of));
      if (column.available.join() !== this.available) this.fillColours(column.available);
      if (this.colouring.by !== of || this.closed) return;
      this.colouring.take(column);
      this.legendKey = null;
      this.colour.value = of;
      this.update();
    } catch (problem) {
      if (!this.closed && !this.app.isInterrupted) this.app.report?.(problem);
    }
  }

  open(letter) {
    if (!this.colouring.isState) this.recolour("state");
    this.filter = codeOf(letter);
    this.update();
  }

  close() {
    this.observer.disconnect();
    this.messages.close();
    cancelAnimationFrame(this.frame);
    this.closed = true;
  }

  update() {
    const { store } = this.app;
    if (this.revision !== store.revision) {
      this.revision = store.revision;
      this.colouring.store = store;
      this.places = placeDevices(store);
      this.selected.clear();
      this.cursor = null;
      if (!this.colouring.isState && this.colouring.by !== "group") this.loadValues(this.colouring.by);
    }
    const wait = store.codes.length > MANY ? VALUES_MS_OF_MANY : VALUES_MS;
    if (this.colouring.column && store.isLive && store.shown === null && performance.now() - this.valuesAt > wait) this.loadValues(this.colouring.by);
    this.showLegend();
    this.showActions();
    this.messages.update();
    this.draw();
  }

  find(text) {
    this.search = text.trim().toLowerCase();
    const { store } = this.app;
    this.matches = new Uint8Array(store.codes.length);
    let [number, first] = [0, null];
    if (this.search) {
      store.names.forEach((name, at) => {
        if (!name.toLowerCase().includes(this.search)) return;
        this.matches[at] = 1;
        number++;
        first ??= at;
      });
    }
    this.matching = number;
    fill(this.found, this.search ? plural(number, "device") + (number === 1 ? " matches." : " match.") : "");
    if (number === 1) this.center(first);
    this.actionsKey = null;
    this.showActions();
    this.draw();
  }

  center(position) {
    this.scale = Math.max(this.scale, 4);
    this.offset = [0.5 - this.places.xs[position] * this.scale, 0.5 - this.places.ys[position] * this.scale];
  }

  fit() {
    [this.scale, this.offset, this.filter] = [1, [0, 0], null];
    this.selected.clear();
    this.update();
  }

  zoom(factor, at = [0.5, 0.5]) {
    const scale = Math.min(400, Math.max(0.5, this.scale * factor));
    for (const axis of [0, 1]) this.offset[axis] = at[axis] - ((at[axis] - this.offset[axis]) * scale) / this.scale;
    this.scale = scale;
    this.draw();
  }

  showLegend() {
    const { store } = this.app;
    const classes = this.colouring.classes();
    const counts = this.colouring.isState ? store.counts : classes ? countClasses(classes, Math.min(classes.length, store.codes.length)) : [];
    const key = Array.from(counts).join() + this.filter + this.colouring.by + matchMedia("(prefers-color-scheme: dark)").matches;
    if (key === this.legendKey) return;
    this.legendKey = key;
    const entries = this.colouring.entries().filter((entry) => this.colouring.isState || counts[entry.kind & 255] > 0).slice(0, 40);
    const lines = entries.map((entry) => {
      const swatch = el("span", { class: entry.letter ? "state state-" + entry.letter : "swatch", "aria-hidden": "true" }, entry.sign);
      if (!entry.letter) swatch.style.backgroundColor = entry.colour;
      return el("button", { class: "link" + (entry.letter ? " state state-" + entry.letter : ""), "data-kind": String(entry.kind), "aria-pressed": String(this.filter === entry.kind), onclick: () => {
        this.filter = this.filter === entry.kind ? null : entry.kind;
        this.actionsKey = null;
        this.update();
      } }, swatch, entry.letter ? " " + count(counts[entry.kind & 255] ?? 0) + " " + entry.text : " " + entry.text + ": " + count(counts[entry.kind & 255] ?? 0));
    });
    const focused = this.legend.contains(document.activeElement) ? document.activeElement.dataset.kind : null;
    fill(this.legend, lines.length ? lines : el("span", { class: "hint" }, "Reading the values of all devices."),
      this.colouring.column && store.shown !== null ? el("span", { class: "hint" }, "These values are those of now.") : null);
    if (focused !== null) this.legend.querySelector('[data-kind="' + focused + '"]')?.focus();
  }

  showActions() {
    const { store } = this.app;
    const key = this.selected.size + ":" + [...this.selected].slice(0, 50).join() + this.search + this.filter;
    if (key === this.actionsKey) return;
    this.actionsKey = key;
    const isChosen = this.search !== "" || this.filter !== null;
    const selectChosen = isChosen ? el("button", { "data-map": "select-found", onclick: () => this.selectFound() }, "Select these") : null;
    if (!this.selected.size) {
      fill(this.actions, selectChosen, el("p", { class: "hint" }, "Click a device to open it. Hold Shift and click or drag to select many."));
      return;
    }
    const names = [...this.selected].map((at) => store.nameOf(at));
    const button = (text, order) => el("button", { "data-many": order, onclick: () => this.app.orderMany(names, order) }, text);
    fill(this.actions, el("span", { class: "selected" }, count(names.length) + " selected"), selectChosen,
      store.isLive ? [button("Start", "start"), button("Stop", "stop"), button("Crash", "crash"), button("Disconnect", "disconnect")] : null,
      el("button", { "data-map": "select-none", onclick: () => {
        this.selected.clear();
        this.update();
      } }, "Select none"));
  }

  selectFound() {
    const isFaint = this.faintness();
    for (let at = 0; at < this.places.xs.length && this.selected.size < MAX_SELECTED; at++) if (!isFaint(at)) this.selected.add(at);
    this.update();
  }

  listenToPointer() {
    const { canvas } = this;
    const pointers = new Map();
    let drag = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
      drag = { from: at(event), last: at(event), moved: pointers.size > 1, area: event.shiftKey };
    });
    canvas.addEventListener("pointermove", (event) => {
      const here = at(event);
      if (!drag) return this.hover(here);
      if (pointers.size === 2 && pointers.has(event.pointerId)) return this.pinch(pointers, event.pointerId, here);
      drag.moved ||= Math.hypot(here[0] - drag.from[0], here[1] - drag.from[1]) > 0.008;
      if (drag.area) this.area = [drag.from, here];
      else for (const axis of [0, 1]) this.offset[axis] += here[axis] - drag.last[axis];
      drag.last = here;
      this.draw();
    });
    const end = (event) => {
      pointers.delete(event.pointerId);
      if (!drag || pointers.size) return;
      const here = at(event);
      if (drag.area && drag.moved) this.selectArea(drag.from, here);
      else if (!drag.moved && event.type === "pointerup") this.click(here, event.shiftKey);
      this.area = null;
      drag = null;
      this.update();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0015), at(event));
    }, { passive: false });
    canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  // Two fingers zoom around the point between them.
  pinch(pointers, moved, here) {
    const other = [...pointers].find(([id]) => id !== moved)[1];
    const before = pointers.get(moved);
    const distance = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 0.01);
    pointers.set(moved, here);
    this.zoom(distance(here) / distance(before), [(here[0] + other[0]) / 2, (here[1] + other[1]) / 2]);
  }

  key(event) {
    const moves = { ArrowLeft: [0.08, 0], ArrowRight: [-0.08, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08] };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (moves[event.key]) this.offset = this.offset.map((value, axis) => value + moves[event.key][axis]);
    else if (event.key === "+") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "n") this.moveCursor(1);
    else if (event.key === "p") this.moveCursor(-1);
    else if (event.key === "Enter" && this.cursor !== null) this.app.openDevice(this.cursor);
    else if (event.key === " " && this.cursor !== null) this.toggle(this.cursor);
    else return;
    event.preventDefault();
    this.draw();
  }

  // Goes to the next device that is not faint, and reads it out.
  moveCursor(by) {
    const total = this.places.xs.length;
    if (!total) return;
    const isFaint = this.faintness();
    let at = this.cursor ?? (by > 0 ? -1 : 0);
    for (let tries = 0; tries < total; tries++) {
      at = (at + by + total) % total;
      if (isFaint(at)) continue;
      this.cursor = at;
      fill(this.found, this.describe(at));
      const [x, y] = [this.places.xs[at] * this.scale + this.offset[0], this.places.ys[at] * this.scale + this.offset[1]];
      if (x < 0 || y < 0 || x > 1 || y > 1) this.center(at);
      return;
    }
  }

  describe(at) {
    const { store } = this.app;
    const value = this.colouring.valueOf(at);
    return store.nameOf(at) + " · " + STATES[store.codes[at]].name + (value ? " · " + value : "") + (store.reasonIds[at] ? ": " + store.reasonOf(at) : "") + (this.selected.has(at) ? " · selected" : "");
  }

  // The nearest device to a place on the canvas, within some pixels.
  nearest([x, y]) {
    const { width, height } = this.canvas;
    let [best, distance] = [null, (14 * devicePixelRatio) ** 2];
    for (let at = 0; at < this.places.xs.length; at++) {
      const dx = (this.places.xs[at] * this.scale + this.offset[0] - x) * width;
      const dy = (this.places.ys[at] * this.scale + this.offset[1] - y) * height;
      if (dx * dx + dy * dy < distance) [best, distance] = [at, dx * dx + dy * dy];
    }
    return best;
  }

  hover(place) {
    if (!this.places) return;
    const { store } = this.app;
    const found = this.nearest(place);
    this.tip.hidden = found === null;
    if (found === null) return;
    const state = STATES[store.codes[found]];
    const value = this.colouring.valueOf(found);
    fill(this.tip, store.nameOf(found) + " · ", el("span", { class: "state state-" + state.letter }, state.sign + " " + state.name), value ? " · " + value : "", store.reasonIds[found] ? ": " + store.reasonOf(found) : "");
    this.tip.style.left = Math.min(place[0], 0.7) * 100 + "%";
    this.tip.style.top = Math.min(place[1] + 0.03, 0.88) * 100 + "%";
  }

  click(place, adds) {
    const found = this.nearest(place);
    if (found === null) return;
    if (adds) this.toggle(found);
    else this.app.openDevice(found);
  }

  toggle(position) {
    if (!this.selected.delete(position)) this.selected.add(position);
    this.showActions();
  }

  selectArea(from, to) {
    const low = [0, 1].map((axis) => (Math.min(from[axis], to[axis]) - this.offset[axis]) / this.scale);
    const high = [0, 1].map((axis) => (Math.max(from[axis], to[axis]) - this.offset[axis]) / this.scale);
    const { xs, ys } = this.places;
    for (let at = 0; at < xs.length && this.selected.size < MAX_SELECTED; at++) {
      if (xs[at] >= low[0] && xs[at] <= high[0] && ys[at] >= low[1] && ys[at] <= high[1]) this.selected.add(at);
    }
  }

  draw() {
    if (this.pending || this.closed) return;
    this.pending = true;
    this.frame = requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
    });
  }

  // Whether a device is not among those that are searched for, or chosen in the legend.
  faintness() {
    const classes = this.colouring.classes();
    const { filter, search, matches } = this;
    return (at) => (filter !== null && classes !== null && Math.min(classes[at], 255) !== (filter & 255)) || (search !== "" && !matches[at]);
  }

  paint() {
    const { canvas } = this;
    const { store } = this.app;
    if (!this.places || !canvas.clientWidth) return;
    if (!this.sized) {
      [canvas.width, canvas.height] = [canvas.clientWidth * devicePixelRatio, canvas.clientHeight * devicePixelRatio];
      this.sized = true;
    }
    const now = performance.now();
    const flights = this.messages.onTheWay(now);
    const isNumber = Boolean(this.colouring.column && !this.colouring.column.labels);
    const classes = this.colouring.classes();
    paintMap(canvas, {
      xs: this.places.xs, ys: this.places.ys, scale: this.scale, offset: this.offset, links: store.links, codes: store.codes,
      classes: classes ?? new Uint8Array(store.codes.length).fill(255),
      entries: classes ? this.colouring.entries() : [{ kind: 255, colour: "#8a929c" }],
      isFaint: this.filter !== null || this.search !== "" ? this.faintness() : null,
      numbersMarks: !this.colouring.isState && !isNumber,
      labelOf: (at) => store.nameOf(at).slice(0, 24) + (isNumber && this.colouring.column.values[at] !== null ? " · " + this.colouring.valueOf(at) : ""),
      selected: this.selected, cursor: this.cursor, area: this.area, flights, now,
    });
    if (flights.length) this.draw();
  }
}
