// Plots over time, with marks for actions and a line at the moment that is shown.

import { el } from "./dom.js";

// Colours that remain distinct with colour blindness; lines also differ in dashes.
const COLOURS_LIGHT = ["#0b5cad", "#b35c00", "#007a5a", "#8a3d77", "#c03000", "#656d76", "#5a4fcf", "#7a6a00"];
const COLOURS_DARK = ["#6cb2ff", "#f0a33c", "#34c796", "#d98ac3", "#ff7a52", "#a3adb8", "#a79bff", "#d9c94a"];
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4], [6, 2], [2, 6], [10, 2], [4, 8]];
const MAX_POINTS = 1200;

function isDark() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Plot {
  constructor(title, format, store) {
    this.store = store;
    this.format = format;
    this.labels = [];
    this.box = el("div", { class: "plot" });
    this.summary = el("p", { class: "hint" });
    this.element = el("section", { class: "panel", "aria-label": title }, el("h2", {}, title), this.box, this.summary);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.box);
  }

  resize() {
    const width = this.box.clientWidth;
    if (this.chart && width && width !== this.chart.width) this.chart.setSize({ width, height: 190 });
  }

  destroy() {
    this.observer.disconnect();
    this.isDestroyed = true;
    this.chart?.destroy();
    this.chart = null;
  }

  // Shows lines: pairs of a label and a function from a sample to a number or null.
  update(lines) {
    if (this.isDestroyed) return;
    const samples = thinned(this.store.samples);
    const data = [samples.map((sample) => sample.at_s), ...lines.map(([, value]) => samples.map((sample) => value(sample) ?? null))];
    const labels = lines.map(([label]) => label);
    const key = labels.join("\n") + isDark();
    if (!this.chart || key !== this.key) {
      this.chart?.destroy();
      this.key = key;
      this.chart = new uPlot(this.options(labels), data, this.box);
    } else {
      this.chart.setData(data);
    }
    const last = this.store.sample;
    this.summary.textContent = last ? lines.map(([label, value]) => label + " " + this.format(value(last))).join(" · ") : "No measurement yet.";
  }

  options(labels) {
    const colours = isDark() ? COLOURS_DARK : COLOURS_LIGHT;
    const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
    return {
      width: Math.max(this.box.clientWidth, 200),
      height: 190,
      scales: { x: { time: false }, y: { range: (plot, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1] } },
      legend: { live: false },
      cursor: { drag: { x: false, y: false } },
      axes: [
        { ...axis, values: (plot, splits) => splits.map((value) => value + " s") },
        { ...axis, size: 62, values: (plot, splits) => splits.map((value) => this.format(value)) },
      ],
      series: [{}, ...labels.map((label, at) => ({
        label,
        stroke: colours[at % colours.length],
        dash: DASHES[at % DASHES.length],
        width: 2,
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: { draw: [(plot) => this.drawMarks(plot)] },
    };
  }

  drawMarks(plot) {
    const { ctx, bbox } = plot;
    const line = (atS, colour, width) => {
      const x = plot.valToPos(atS, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) return;
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    };
    ctx.save();
    ctx.setLineDash([]);
    for (const mark of this.store.marks.slice(-200)) {
      line(mark.at_s, css("--warn-line"), 2);
      const x = plot.valToPos(mark.at_s, "x", true);
      ctx.fillStyle = css("--warn-line");
      ctx.beginPath();
      ctx.moveTo(x - 5, bbox.top);
      ctx.lineTo(x + 5, bbox.top);
      ctx.lineTo(x, bbox.top + 8);
      ctx.fill();
    }
    if (this.store.shown !== null) line(this.store.shown, css("--accent"), 2);
    ctx.restore();
  }
}

let lastThin = { samples: null, length: 0, last: null, thin: null };

// The samples for plots. All plots of a view have the same, so they are thinned once.
function thinned(samples) {
  const last = samples.at(-1) ?? null;
  if (lastThin.samples !== samples || lastThin.length !== samples.length || lastThin.last !== last) {
    lastThin = { samples, length: samples.length, last, thin: thin(samples, MAX_POINTS) };
  }
  return lastThin.thin;
}

// At most so many samples; the older ones are joined, so that no peak and no count is lost.
export function thin(samples, most) {
  const step = Math.ceil(samples.length / most);
  if (step <= 1) return samples;
  const joined = [];
  for (let at = 0; at < samples.length; at += step) joined.push(join(samples.slice(at, at + step)));
  return joined;
}

function join(parts) {
  const whole = { ...parts[parts.length - 1], dropped: {} };
  for (const field of ["span_s", "generated", "sent", "received", "expected", "lost_offline", "refused", "traps"]) {
    const known = parts.map((part) => part[field]).filter((value) => value !== null && value !== undefined);
    whole[field] = known.length ? known.reduce((sum, value) => sum + value, 0) : null;
  }
  for (const field of ["latency_p50_s", "latency_p95_s", "latency_p99_s", "lag_s"]) {
    const known = parts.map((part) => part[field]).filter((value) => value !== null && value !== undefined);
    whole[field] = known.length ? Math.max(...known) : null;
  }
  for (const part of parts) {
    for (const [fault, number] of Object.entries(part.dropped ?? {})) whole.dropped[fault] = (whole.dropped[fault] ?? 0) + number;
  }
  return whole;
}
