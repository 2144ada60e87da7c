// Painting of the map on one canvas. Small devices are pixels of an image, because so many shapes would take too long.

import { STATES } from "./format.js";

const MAX_PAINTED_LINKS = 20000;
const PIXELS_BELOW = 4.5;
const MAX_LABELS = 120;
const FAINT = 0.15;
const FONT = "px system-ui, sans-serif";

// `view` says what to paint: places, scale and offset, classes and entries, what is faint, the selection, and messages.
export function paintMap(canvas, view) {
  const context = canvas.getContext("2d");
  const colours = coloursOf(matchMedia("(prefers-color-scheme: dark)").matches);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const size = markSize(canvas, view);
  if (size < PIXELS_BELOW * devicePixelRatio) {
    paintPixels(context, view, size);
    paintLinks(context, view, colours);
  } else {
    paintLinks(context, view, colours);
    paintMarks(context, view, size, colours);
  }
  paintSelection(context, view, size, colours);
  paintFlights(context, view, colours);
  if (view.area) paintArea(context, view.area, colours);
}

const schemeColours = new Map();

// The colours of a scheme. To ask for styles in every frame would make the browser compute the layout.
function coloursOf(dark) {
  if (!schemeColours.has(dark)) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    schemeColours.set(dark, { line: read("--line"), text: read("--text"), accent: read("--accent"), panel: read("--panel"), bad: read("--state-x") });
  }
  return schemeColours.get(dark);
}

export function markSize(canvas, view) {
  const total = Math.max(view.xs.length, 1);
  return Math.max(1.5, Math.min(11, (0.32 * view.scale * Math.sqrt((canvas.width * canvas.height) / total)) / devicePixelRatio)) * devicePixelRatio;
}

function paintLinks(context, view, colours) {
  const { links, xs, ys, scale, offset } = view;
  if (!links.length || links.length > MAX_PAINTED_LINKS) return;
  const { width, height } = context.canvas;
  context.strokeStyle = colours.line;
  context.lineWidth = devicePixelRatio;
  context.beginPath();
  for (const [a, b] of links) {
    context.moveTo((xs[a] * scale + offset[0]) * width, (ys[a] * scale + offset[1]) * height);
    context.lineTo((xs[b] * scale + offset[0]) * width, (ys[b] * scale + offset[1]) * height);
  }
  context.stroke();
}

function paintPixels(context, view, size) {
  const { xs, ys, scale, offset, classes, isFaint } = view;
  const { width, height } = context.canvas;
  const { image, pixels } = imageOf(context, width, height);
  const [bright, faint] = [new Uint32Array(256), new Uint32Array(256)];
  for (const entry of view.entries) [bright[entry.kind & 255], faint[entry.kind & 255]] = [packed(entry.colour, 255), packed(entry.colour, FAINT * 255)];
  const side = Math.max(1, Math.round(size));
  for (let at = 0; at < xs.length; at++) {
    const left = Math.round((xs[at] * scale + offset[0]) * width - size / 2);
    const top = Math.round((ys[at] * scale + offset[1]) * height - size / 2);
    if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
    const kind = classes[at] > 255 ? 255 : classes[at];
    const colour = isFaint && isFaint(at) ? faint[kind] : bright[kind];
    for (let row = top * width + left, rows = side; rows > 0; rows--, row += width) for (let pixel = row; pixel < row + side; pixel++) pixels[pixel] = colour;
  }
  context.putImageData(image, 0, 0);
}

let lastImage = null;

// An empty image, which is made anew only for another size.
function imageOf(context, width, height) {
  if (lastImage?.image.width === width && lastImage.image.height === height) {
    lastImage.pixels.fill(0);
    return lastImage;
  }
  const image = context.createImageData(width, height);
  lastImage = { image, pixels: new Uint32Array(image.data.buffer) };
  return lastImage;
}

const packedColours = new Map();

// A colour as a pixel; the order of bytes is that of all processors with browsers.
function packed(colour, alpha) {
  const key = colour + alpha;
  if (!packedColours.has(key)) {
    const value = parseInt(colour.slice(1), 16);
    packedColours.set(key, ((Math.round(alpha) << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0);
  }
  return packedColours.get(key);
}

function paintMarks(context, view, size, colours) {
  const { xs, ys, scale, offset, classes, isFaint, codes } = view;
  const { width, height } = context.canvas;
  const byKind = new Map(view.entries.map((entry) => [entry.kind, []]));
  const shown = [];
  for (let at = 0; at < xs.length; at++) {
    const x = (xs[at] * scale + offset[0]) * width;
    const y = (ys[at] * scale + offset[1]) * height;
    if (x < -size || y < -size || x > width + size || y > height + size) continue;
    const list = byKind.get(classes[at]) ?? byKind.get(255);
    if (!list) continue;
    const faint = Boolean(isFaint && isFaint(at));
    list.push(at, x, y, faint);
    if (!faint && shown.length <= MAX_LABELS) shown.push([at, x, y]);
  }
  const showsSign = size > 6 * devicePixelRatio;
  for (const entry of view.entries) {
    context.fillStyle = entry.colour;
    context.strokeStyle = entry.colour;
    const own = size * (entry.size ?? 1);
    const list = byKind.get(entry.kind);
    for (let at = 0; at < list.length; at += 4) {
      context.globalAlpha = list[at + 3] ? FAINT : 1;
      if (showsSign) paintSign(context, codes[list[at]], list[at + 1], list[at + 2], own);
      else context.fillRect(list[at + 1] - own / 2, list[at + 2] - own / 2, own, own);
    }
  }
  context.globalAlpha = 1;
  if (showsSign && view.numbersMarks) paintNumbers(context, view, shown, size, colours);
  if (showsSign && shown.length <= MAX_LABELS) paintLabels(context, view, shown, size, colours);
}

// The number of the class in the legend, for those who cannot tell the colours apart.
function paintNumbers(context, view, shown, size, colours) {
  context.fillStyle = colours.panel;
  context.font = "bold " + Math.round(size * 0.95) + FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const [at, x, y] of shown) {
    // Open signs have room for nothing else.
    if (view.codes[at] === 0 || view.codes[at] === 4) context.fillText(String(view.classes[at] + 1), x, y + 1);
  }
  context.textBaseline = "alphabetic";
}

// Names below the marks, within the canvas and without overlap.
function paintLabels(context, view, shown, size, colours) {
  context.fillStyle = colours.text;
  context.font = 12 * devicePixelRatio + FONT;
  context.textAlign = "left";
  const taken = [];
  const margin = 3 * devicePixelRatio;
  const line = 13 * devicePixelRatio;
  for (const [at, x, y] of shown) {
    const text = view.labelOf(at);
    const wide = context.measureText(text).width;
    const left = Math.min(Math.max(x - wide / 2, margin), context.canvas.width - wide - margin);
    const base = Math.min(y + size + line, context.canvas.height - margin);
    const overlaps = taken.some(([l, r, b]) => left < r + margin && left + wide > l - margin && Math.abs(base - b) < line);
    if (overlaps) continue;
    taken.push([left, left + wide, base]);
    context.fillText(text, left, base);
  }
}

function paintSelection(context, view, size, colours) {
  const { xs, ys, scale, offset } = view;
  const { width, height } = context.canvas;
  const frame = (at, around) => context.strokeRect((xs[at] * scale + offset[0]) * width - around, (ys[at] * scale + offset[1]) * height - around, around * 2, around * 2);
  context.strokeStyle = colours.accent;
  context.lineWidth = 2 * devicePixelRatio;
  for (const at of view.selected) frame(at, size);
  if (view.cursor === null || view.cursor >= xs.length) return;
  context.lineWidth = 3 * devicePixelRatio;
  context.setLineDash([5 * devicePixelRatio, 3 * devicePixelRatio]);
  frame(view.cursor, size * 1.4 + 3 * devicePixelRatio);
  context.setLineDash([]);
}

// Messages on their way: a dot from the publisher to a receiver, a ring for one that only left, a cross for one that was lost.
function paintFlights(context, view, colours) {
  const { xs, ys, scale, offset } = view;
  const { width, height } = context.canvas;
  const place = (at) => [(xs[at] * scale + offset[0]) * width, (ys[at] * scale + offset[1]) * height];
  for (const flight of view.flights) {
    const progress = Math.min(1, (view.now - flight.start) / flight.lasting);
    if (progress < 0) continue;
    const to = place(flight.to);
    context.fillStyle = context.strokeStyle = flight.kind === "dropped" ? colours.bad : colours.accent;
    context.lineWidth = 2 * devicePixelRatio;
    context.beginPath();
    if (flight.kind === "received") {
      const from = flight.from === null ? [width / 2, 0] : place(flight.from);
      context.globalAlpha = 0.35;
      context.moveTo(...from);
      context.lineTo(from[0] + (to[0] - from[0]) * progress, from[1] + (to[1] - from[1]) * progress);
      context.stroke();
      context.globalAlpha = 1;
      context.beginPath();
      context.arc(from[0] + (to[0] - from[0]) * progress, from[1] + (to[1] - from[1]) * progress, 3.5 * devicePixelRatio, 0, 2 * Math.PI);
      context.fill();
    } else if (flight.kind === "sent") {
      context.globalAlpha = 1 - progress;
      context.arc(to[0], to[1], (8 + 14 * progress) * devicePixelRatio, 0, 2 * Math.PI);
      context.stroke();
    } else {
      const [x, y, arm] = [to[0] + 10 * devicePixelRatio, to[1] - (10 + 10 * progress) * devicePixelRatio, 4 * devicePixelRatio];
      context.globalAlpha = 1 - progress * 0.7;
      context.moveTo(x - arm, y - arm);
      context.lineTo(x + arm, y + arm);
      context.moveTo(x + arm, y - arm);
      context.lineTo(x - arm, y + arm);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

function paintArea(context, [[x1, y1], [x2, y2]], colours) {
  const { width, height } = context.canvas;
  context.strokeStyle = colours.accent;
  context.lineWidth = devicePixelRatio;
  context.setLineDash([6, 4]);
  context.strokeRect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
  context.setLineDash([]);
}

// A sign of its own for each state, so that colour is not all that tells them apart.
function paintSign(context, code, x, y, size) {
  const radius = size * 0.75;
  const name = STATES[code].name;
  context.beginPath();
  if (name === "crashed") {
    context.lineWidth = size * 0.4;
    context.moveTo(x - radius, y - radius);
    context.lineTo(x + radius, y + radius);
    context.moveTo(x + radius, y - radius);
    context.lineTo(x - radius, y + radius);
    context.stroke();
  } else if (name === "stopped") {
    context.fillRect(x - radius * 0.8, y - radius * 0.8, radius * 1.6, radius * 1.6);
  } else if (name === "failed") {
    context.moveTo(x, y - radius);
    context.lineTo(x + radius, y + radius);
    context.lineTo(x - radius, y + radius);
    context.fill();
  } else if (name === "offline") {
    context.lineWidth = size * 0.35;
    context.arc(x, y, radius * 0.8, 0, 2 * Math.PI);
    context.stroke();
  } else if (name === "silent") {
    context.arc(x, y, radius, Math.PI / 2, (3 * Math.PI) / 2);
    context.fill();
    context.lineWidth = size * 0.2;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  } else {
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}
