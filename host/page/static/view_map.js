// All devices on one canvas: by the topology's layout, or as a grid of groups.

import { el, fill } from "./dom.js";
import { STATES, codeOf, count } from "./format.js";

const MAX_LINKS = 20000;

export class MapView {
  constructor(app) {
    this.app = app;
    this.filter = null;
    this.search = "";
    this.selected = new Set();
    this.scale = 1;
    this.offset = [0, 0];
    this.canvas = el("canvas", { role: "img", tabindex: "0", "aria-label": "Map of the devices. Arrow keys move, plus and minus zoom." });
    this.tip = el("div", { class: "tip", hidden: true });
    this.legend = el("div", { class: "legend" });
    this.found = el("p", { class: "hint", role: "status" });
    this.actions = el("div", { class: "row" });
    this.element = el("div", { class: "view" },
      el("section", { class: "panel" },
        el("div", { class: "row" },
          el("label", {}, "Search ", el("input", { type: "search", oninput: (event) => this.find(event.target.value) })),
          el("label", {}, "Colour ", this.colourChoice()),
          el("button", { onclick: () => this.fit() }, "Show all"),
          el("button", { onclick: () => this.zoom(1.5) }, "Zoom in"),
          el("button", { onclick: () => this.zoom(1 / 1.5) }, "Zoom out")),
        this.legend, this.found, this.actions),
      el("section", { class: "panel map", "aria-label": "Map" }, this.canvas, this.tip));
    this.listenToPointer();
    this.observer = new ResizeObserver(() => {
      this.sized = false;
      this.draw();
    });
    this.observer.observe(this.canvas);
  }

  colourChoice() {
    return el("select", { onchange: (event) => this.recolour(event.target.value) },
      [["state", "by state"], ["group", "by group"]].map(([value, text]) => el("option", { value }, text)));
  }

  recolour(by) {
    this.colourBy = by;
    this.update();
  }

  open(letter) {
    this.filter = letter;
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.closed = true;
  }

  update() {
    if (this.revision !== this.app.store.revision) {
      this.revision = this.app.store.revision;
      this.place();
    }
    this.showLegend();
    this.showActions();
    this.draw();
  }

  // Places of all devices, from 0 to 1.
  place() {
    const { store } = this.app;
    const total = store.codes.length;
    this.xs = new Float32Array(total);
    this.ys = new Float32Array(total);
    if (store.layout.length === total && total) store.layout.forEach(([x, y], at) => this.put(at, 0.03 + 0.94 * x, 0.03 + 0.94 * y));
    else if (store.links.length && total <= 400) this.placeByLinks(store, total);
    else this.placeAsGrid(store, total);
  }

  put(at, x, y) {
    this.xs[at] = x;
    this.ys[at] = y;
  }

  // Groups one after the other, row by row.
  placeAsGrid(store, total) {
    const columns = Math.max(1, Math.ceil(Math.sqrt(total * 1.6)));
    const starts = [];
    let row = 0;
    let column = 0;
    for (let at = 0; at < total; at++) {
      const isNewGroup = at > 0 && store.groupOf[at] !== store.groupOf[at - 1];
      if (column === columns || (isNewGroup && total > 40)) [row, column] = [row + 1, 0];
      starts.push([column++, row]);
    }
    const rows = row + 1;
    starts.forEach(([x, y], at) => this.put(at, (x + 0.5) / columns, (y + 0.5) / Math.max(rows, 1)));
  }

  // Springs along the links, and repulsion between all: enough rounds for a few hundred devices.
  placeByLinks(store, total) {
    const linked = [...new Set(store.links.flat())].sort((a, b) => a - b);
    const others = Array.from({ length: total }, (_, at) => at).filter((at) => !linked.includes(at));
    linked.forEach((at, number) => {
      const angle = (2 * Math.PI * number) / linked.length;
      this.put(at, 0.5 + 0.45 * Math.sin(angle), 0.5 - 0.45 * Math.cos(angle));
    });
    const wanted = 0.9 / Math.sqrt(linked.length);
    const rounds = Math.min(200, Math.floor(6e6 / (linked.length * linked.length)));
    for (let round = 0; round < rounds; round++) this.relax(store.links, linked, wanted, 0.08 * (1 - round / rounds));
    // Devices without links have rows of their own below.
    const columns = Math.ceil(Math.sqrt(others.length * 4)) || 1;
    const rows = Math.ceil(others.length / columns);
    const bottom = others.length ? Math.max(0.45, 0.96 - rows * 0.09) : 0.96;
    this.spread(this.xs, linked, 0.96);
    this.spread(this.ys, linked, bottom - (others.length ? 0.06 : 0));
    others.forEach((at, number) => this.put(at, ((number % columns) + 0.5) / columns, bottom + ((Math.floor(number / columns) + 0.5) * (0.97 - bottom)) / rows));
  }

  // Scales the values of these devices to the range from 0.04 to an upper bound.
  spread(values, positions, upper) {
    const own = positions.map((at) => values[at]);
    const [low, high] = [Math.min(...own), Math.max(...own)];
    for (const at of positions) values[at] = high > low ? 0.04 + ((upper - 0.04) * (values[at] - low)) / (high - low) : upper / 2;
  }

  relax(links, linked, wanted, step) {
    const [dx, dy] = [new Float32Array(this.xs.length), new Float32Array(this.xs.length)];
    for (const [number, a] of linked.entries()) {
      for (const b of linked.slice(number + 1)) {
        const [x, y] = [this.xs[a] - this.xs[b], this.ys[a] - this.ys[b]];
        const force = (wanted * wanted) / Math.max(x * x + y * y, 1e-5);
        dx[a] += x * force;
        dy[a] += y * force;
        dx[b] -= x * force;
        dy[b] -= y * force;
      }
    }
    for (const [a, b] of links) {
      const [x, y] = [this.xs[a] - this.xs[b], this.ys[a] - this.ys[b]];
      const force = Math.hypot(x, y) / wanted;
      dx[a] -= x * force;
      dy[a] -= y * force;
      dx[b] += x * force;
      dy[b] += y * force;
    }
    for (const at of linked) {
      const length = Math.max(Math.hypot(dx[at], dy[at]), 1e-6);
      const move = Math.min(length, step) / length;
      this.put(at, this.xs[at] + dx[at] * move, this.ys[at] + dy[at] * move);
    }
  }

  find(text) {
    this.search = text.trim().toLowerCase();
    const { store } = this.app;
    this.matches = new Set();
    if (this.search) store.names.forEach((name, at) => name.toLowerCase().includes(this.search) && this.matches.add(at));
    fill(this.found, this.search ? count(this.matches.size) + " devices match." : "");
    if (this.matches.size === 1) this.center([...this.matches][0]);
    this.draw();
  }

  center(position) {
    this.scale = Math.max(this.scale, 4);
    this.offset = [0.5 - this.xs[position] * this.scale, 0.5 - this.ys[position] * this.scale];
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
    const entry = (state, code) => el("button", { class: "link state state-" + state.letter, "aria-pressed": this.filter === state.letter ? "true" : "false",
      onclick: () => {
        this.filter = this.filter === state.letter ? null : state.letter;
        this.update();
      } }, state.sign + " " + count(store.counts[code]) + " " + state.name);
    const key = store.counts.join() + this.filter;
    if (key === this.legendKey) return;
    this.legendKey = key;
    fill(this.legend, STATES.map(entry));
  }

  showActions() {
    const { store } = this.app;
    const key = [...this.selected].join();
    if (key === this.actionsKey) return;
    this.actionsKey = key;
    if (!this.selected.size) {
      fill(this.actions, el("p", { class: "hint" }, "Click a device to open it; hold Shift and click, or drag with Shift, to select many."));
      return;
    }
    const names = [...this.selected].map((at) => store.nameOf(at));
    const button = (text, order) => el("button", { onclick: () => this.app.orderMany(names, order) }, text);
    fill(this.actions, el("span", {}, count(names.length) + " selected"),
      store.isLive ? [button("Stop", "stop"), button("Start", "start"), button("Crash", "crash")] : null,
      el("button", { onclick: () => {
        this.selected.clear();
        this.update();
      } }, "Select none"));
  }

  listenToPointer() {
    const { canvas } = this;
    let drag = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag = { from: at(event), last: at(event), moved: false, area: event.shiftKey };
    });
    canvas.addEventListener("pointermove", (event) => {
      const here = at(event);
      if (!drag) return this.hover(here);
      drag.moved ||= Math.hypot(here[0] - drag.from[0], here[1] - drag.from[1]) > 0.008;
      if (drag.area) this.area = [drag.from, here];
      else for (const axis of [0, 1]) this.offset[axis] += here[axis] - drag.last[axis];
      drag.last = here;
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!drag) return;
      const here = at(event);
      if (drag.area && drag.moved) this.selectArea(drag.from, here);
      else if (!drag.moved) this.click(here, event.shiftKey);
      this.area = null;
      drag = null;
      this.update();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0015), at(event));
    }, { passive: false });
    canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [0.08, 0], ArrowRight: [-0.08, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08] };
      if (moves[event.key]) this.offset = this.offset.map((value, axis) => value + moves[event.key][axis]);
      else if (event.key === "+") this.zoom(1.5);
      else if (event.key === "-") this.zoom(1 / 1.5);
      else return;
      event.preventDefault();
      this.draw();
    });
  }

  // The nearest device to a place on the canvas, within some pixels.
  nearest([x, y]) {
    const { width, height } = this.canvas;
    let [best, distance] = [null, (14 * devicePixelRatio) ** 2];
    for (let at = 0; at < this.xs.length; at++) {
      const dx = (this.xs[at] * this.scale + this.offset[0] - x) * width;
      const dy = (this.ys[at] * this.scale + this.offset[1] - y) * height;
      if (dx * dx + dy * dy < distance) [best, distance] = [at, dx * dx + dy * dy];
    }
    return best;
  }

  hover(place) {
    const { store } = this.app;
    const found = this.nearest(place);
    this.tip.hidden = found === null;
    if (found === null) return;
    const state = STATES[store.codes[found]];
    fill(this.tip, store.nameOf(found) + " · ", el("span", { class: "state state-" + state.letter }, state.sign + " " + state.name), store.reasons.has(found) ? ": " + store.reasons.get(found) : "");
    this.tip.style.left = Math.min(place[0], 0.7) * 100 + "%";
    this.tip.style.top = Math.min(place[1] + 0.03, 0.88) * 100 + "%";
  }

  click(place, adds) {
    const found = this.nearest(place);
    if (found === null) return;
    if (!adds) return this.app.openDevice(found);
    if (!this.selected.delete(found)) this.selected.add(found);
  }

  selectArea(from, to) {
    const low = [0, 1].map((axis) => (Math.min(from[axis], to[axis]) - this.offset[axis]) / this.scale);
    const high = [0, 1].map((axis) => (Math.max(from[axis], to[axis]) - this.offset[axis]) / this.scale);
    for (let at = 0; at < this.xs.length && this.selected.size < 1000; at++) {
      if (this.xs[at] >= low[0] && this.xs[at] <= high[0] && this.ys[at] >= low[1] && this.ys[at] <= high[1]) this.selected.add(at);
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

  paint() {
    const { canvas } = this;
    const { store } = this.app;
    if (!this.xs || !canvas.clientWidth) return;
    if (!this.sized) {
      [canvas.width, canvas.height] = [canvas.clientWidth * devicePixelRatio, canvas.clientHeight * devicePixelRatio];
      this.sized = true;
    }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.paintLinks(context, store);
    this.paintDevices(context, store);
    this.paintArea(context);
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    if (this.colourBy !== "group") return STATES.map((state) => style.getPropertyValue("--state-" + state.letter).trim());
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    return this.app.store.groups.map((_, at) => "hsl(" + ((at * 137) % 360) + " 60% " + (dark ? 65 : 38) + "%)");
  }

  paintLinks(context, store) {
    if (!store.links.length || store.links.length > MAX_LINKS) return;
    const [width, height] = [this.canvas.width, this.canvas.height];
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--line");
    context.lineWidth = devicePixelRatio;
    context.beginPath();
    for (const [a, b] of store.links) {
      context.moveTo((this.xs[a] * this.scale + this.offset[0]) * width, (this.ys[a] * this.scale + this.offset[1]) * height);
      context.lineTo((this.xs[b] * this.scale + this.offset[0]) * width, (this.ys[b] * this.scale + this.offset[1]) * height);
    }
    context.stroke();
  }

  paintDevices(context, store) {
    const [width, height] = [this.canvas.width, this.canvas.height];
    const total = this.xs.length;
    const size = Math.max(1.5, Math.min(11, (0.32 * this.scale * Math.sqrt((width * height) / Math.max(total, 1))) / devicePixelRatio)) * devicePixelRatio;
    const kinds = this.colourBy === "group" ? store.groupOf : store.codes;
    const wantedCode = codeOf(this.filter);
    const isFaint = (at) => (this.filter !== null && store.codes[at] !== wantedCode) || (this.search && !this.matches.has(at));
    const showsSign = size > 6 * devicePixelRatio;
    const signs = [];
    for (const [kind, colour] of this.colours().entries()) {
      context.fillStyle = colour;
      for (const faint of [true, false]) {
        context.globalAlpha = faint ? 0.15 : 1;
        for (let at = 0; at < total; at++) {
          if (kinds[at] !== kind || Boolean(isFaint(at)) !== faint) continue;
          const x = (this.xs[at] * this.scale + this.offset[0]) * width;
          const y = (this.ys[at] * this.scale + this.offset[1]) * height;
          if (x < -size || y < -size || x > width + size || y > height + size) continue;
          if (showsSign) paintSign(context, store.codes[at], x, y, size);
          else context.fillRect(x - size / 2, y - size / 2, size, size);
          if (showsSign && !faint && signs.length < 300) signs.push([at, x, y]);
        }
      }
    }
    context.globalAlpha = 1;
    const style = getComputedStyle(document.documentElement);
    context.strokeStyle = style.getPropertyValue("--accent");
    context.lineWidth = 2 * devicePixelRatio;
    for (const at of this.selected) {
      context.strokeRect((this.xs[at] * this.scale + this.offset[0]) * width - size, (this.ys[at] * this.scale + this.offset[1]) * height - size, size * 2, size * 2);
    }
    if (signs.length && signs.length <= 60) {
      context.fillStyle = style.getPropertyValue("--text");
      context.font = 12 * devicePixelRatio + "px system-ui, sans-serif";
      context.textAlign = "center";
      for (const [at, x, y] of signs) context.fillText(store.nameOf(at).slice(0, 24), x, y + size + 13 * devicePixelRatio);
    }
  }

  paintArea(context) {
    if (!this.area) return;
    const [[x1, y1], [x2, y2]] = this.area;
    const [width, height] = [this.canvas.width, this.canvas.height];
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    context.setLineDash([6, 4]);
    context.strokeRect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
    context.setLineDash([]);
  }
}

// A sign of its own for each state, so that colour is not all that tells them apart.
function paintSign(context, code, x, y, size) {
  const radius = size * 0.75;
  context.beginPath();
  if (code === 3) {
    context.lineWidth = size * 0.4;
    context.strokeStyle = context.fillStyle;
    context.moveTo(x - radius, y - radius);
    context.lineTo(x + radius, y + radius);
    context.moveTo(x + radius, y - radius);
    context.lineTo(x - radius, y + radius);
    context.stroke();
  } else if (code === 4) {
    context.fillRect(x - radius * 0.8, y - radius * 0.8, radius * 1.6, radius * 1.6);
  } else if (code === 5) {
    context.moveTo(x, y - radius);
    context.lineTo(x + radius, y + radius);
    context.lineTo(x - radius, y + radius);
    context.fill();
  } else if (code === 1) {
    context.lineWidth = size * 0.35;
    context.strokeStyle = context.fillStyle;
    context.arc(x, y, radius * 0.8, 0, 2 * Math.PI);
    context.stroke();
  } else if (code === 2) {
    context.arc(x, y, radius, Math.PI / 2, (3 * Math.PI) / 2);
    context.fill();
    context.lineWidth = size * 0.2;
    context.strokeStyle = context.fillStyle;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  } else {
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}
