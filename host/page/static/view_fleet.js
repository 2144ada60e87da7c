// The fleet as a whole: what is wrong, states, rates, losses, latency.

import { el, fill, panel, table } from "./dom.js";
import { STATES, clock, count, percent, plural, rate, seconds } from "./format.js";
import { Plot } from "./plots.js";
import { findProblems, lasting } from "./problems.js";

export class FleetView {
  constructor(app) {
    this.app = app;
    const { store } = app;
    this.problems = el("ul", { class: "problems", id: "problems" });
    this.tiles = el("div", { class: "tiles", id: "tiles" });
    this.plots = {
      rates: new Plot("Messages a second", rate, store),
      losses: new Plot("Losses a second, by cause", rate, store),
      latency: new Plot("Latency", seconds, store),
      devices: new Plot("Devices that are up", count, store),
      lag: new Plot("Lateness of this host", seconds, store),
    };
    this.groups = el("div", {});
    this.marks = el("div", {});
    this.element = el("div", { class: "view" },
      panel("What is wrong now", this.problems),
      el("section", { class: "panel", "aria-label": "State of the fleet" }, el("h2", {}, "Fleet"), this.tiles),
      el("div", { class: "columns" }, Object.values(this.plots).map((plot) => plot.element)),
      panel("Groups", this.groups),
      panel("Actions and changes of faults", this.marks));
  }

  close() {
    Object.values(this.plots).forEach((plot) => plot.destroy());
  }

  update() {
    const { store } = this.app;
    this.showProblems(store);
    this.showTiles(store);
    // Plots and tables change with samples and marks, and states many times between them.
    const key = [store.revision, store.samples.at(-1)?.at_s, store.marks.length, store.shown, matchMedia("(prefers-color-scheme: dark)").matches].join();
    if (key === this.plotsKey) return;
    this.plotsKey = key;
    this.showPlots(store);
    this.showGroups(store);
    this.showMarks(store);
  }

  showProblems(store) {
    const problems = findProblems(store);
    if (!problems.length) {
      const connected = store.counts[0];
      const text = connected ? "Nothing: " + plural(connected, "device") + " connected, and no message is lost." : "No device has started yet.";
      this.fillProblems("fine" + text, [el("li", { class: "fine" }, text)]);
      return;
    }
    const shown = problems.slice(0, 12);
    this.fillProblems(JSON.stringify(shown) + Math.floor(store.now), shown.map((problem) => this.problemLine(problem, store)));
  }

  // A screen reader hears only what has changed, and a button keeps the focus.
  fillProblems(key, lines) {
    if (key === this.problemsKey) return;
    this.problemsKey = key;
    const focused = this.problems.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    fill(this.problems, lines);
    if (focused) this.problems.querySelector("[data-key=" + JSON.stringify(focused) + "]")?.focus();
  }

  problemLine(problem, store) {
    const button = (text, action) => el("button", { class: "link", "data-key": problem.title + text, onclick: action }, text);
    const buttons = [
      problem.first === undefined || problem.first === null ? null : button("Show " + store.nameOf(problem.first), () => this.app.openDevice(problem.first)),
      problem.letter && problem.number !== 1 ? button("Show on the map", () => this.app.openMap(problem.letter)) : null,
      problem.goto ? button("Open " + problem.goto[0].toUpperCase() + problem.goto.slice(1), () => (problem.goto === "faults" ? this.app.openFaults(problem.scope) : (location.hash = "#" + problem.goto))) : null,
    ].filter(Boolean);
    const since = lasting(problem, store);
    return el("li", {}, el("p", {}, el("strong", {}, problem.title), since ? [" ", el("span", { class: "soft since" }, since)] : null),
      problem.evidence ? el("p", {}, problem.evidence) : null,
      problem.cause ? el("p", {}, el("span", { class: "soft" }, "Cause: "), problem.cause) : null,
      problem.advice ? el("p", {}, el("span", { class: "soft" }, "What to do: "), problem.advice) : null,
      buttons.length ? el("p", { class: "row" }, buttons) : null);
  }

  showTiles(store) {
    const recent = store.recent(5);
    const per = (number) => (recent.span ? number / recent.span : null);
    const latest = store.sample;
    const dropped = [...recent.dropped.values()].reduce((sum, value) => sum + value, 0);
    const ratio = recent.expected === null ? (recent.generated ? Math.min(1, recent.sent / recent.generated) : null) : recent.received / recent.expected;
    const facts = [
      [rate(per(recent.generated)), "published"],
      [rate(per(recent.sent)), "sent"],
      [rate(per(recent.received)), "received"],
      [percent(ratio), recent.expected === null ? "sent of published" : "delivered"],
      [seconds(latest?.latency_p50_s), "median latency"],
      [seconds(latest?.latency_p99_s), "99 % of latency"],
      [rate(per(dropped + recent.lost + recent.refused)), "lost or refused"],
      [seconds(latest?.lag_s), "host is late by"],
    ];
    const states = STATES.map((state, code) => [state, store.counts[code]]).filter(([, number], code) => number > 0 || code === 0);
    fill(this.tiles,
      states.map(([state, number]) => el("button", { class: "tile", onclick: () => this.app.openMap(state.letter) },
        el("b", {}, count(number)), el("span", { class: "state state-" + state.letter }, state.sign + " " + state.name))),
      facts.map(([value, label]) => el("div", { class: "tile" }, el("b", {}, value), el("span", {}, label))));
  }

  showPlots(store) {
    const per = (field) => (sample) => (sample[field] === null || sample[field] === undefined || !sample.span_s ? null : sample[field] / sample.span_s);
    const has = (field) => store.samples.some((sample) => sample[field] !== null && sample[field] !== undefined);
    const faults = new Set();
    store.samples.forEach((sample) => Object.entries(sample.dropped ?? {}).forEach(([fault, number]) => number > 0 && faults.add(fault)));
    const byFault = [...faults].sort().slice(0, 6).map((fault) => ["fault " + fault, (sample) => (sample.span_s ? (sample.dropped?.[fault] ?? 0) / sample.span_s : null)]);
    const { rates, losses, latency, devices, lag } = this.plots;
    lag.element.hidden = !has("lag_s");
    const steps = [
      () => rates.update([["published", per("generated")], ["sent", per("sent")], ...(has("received") ? [["received", per("received")]] : [])]),
      () => losses.update([...byFault, ...(has("lost_offline") ? [["no connection", per("lost_offline")]] : []), ["refused", per("refused")]]),
      () => latency.update([["50 %", (sample) => sample.latency_p50_s], ["95 %", (sample) => sample.latency_p95_s], ["99 %", (sample) => sample.latency_p99_s]]),
      () => devices.update([["up", (sample) => sample.up], ["all", (sample) => sample.devices]]),
      () => lag.element.hidden || lag.update([["late by", (sample) => sample.lag_s]]),
    ];
    // One plot in a task, so that a click between them waits for one only.
    steps.forEach((step, at) => setTimeout(step, at * 20));
  }

  showGroups(store) {
    const counts = store.groups.map(() => STATES.map(() => 0));
    for (let at = 0; at < store.groupOf.length; at++) counts[store.groupOf[at]][store.codes[at]]++;
    const states = STATES.filter((state, code) => store.counts[code] > 0);
    const rows = store.groups.map((group, at) => [group.name, group.behaviour, count(counts[at].reduce((sum, value) => sum + value, 0)),
      ...states.map((state) => count(counts[at][STATES.indexOf(state)]))]);
    const heads = ["Group", "Behaviour", "Devices", ...states.map((state) => state.sign + " " + state.name)];
    fill(this.groups, table(heads, rows, { numbers: heads.map((_, at) => at).slice(2), label: "Groups" }));
  }

  showMarks(store) {
    const marks = store.marks.filter((mark) => mark.at_s <= store.now + 1e-9).slice(-12).reverse();
    if (!marks.length) {
      fill(this.marks, el("p", { class: "hint" }, "None so far."));
      return;
    }
    const rows = marks.map((mark) => [el("button", { class: "link", onclick: () => store.seek(mark.at_s) }, clock(mark.at_s)), mark.kind, mark.text]);
    fill(this.marks, table(["Time", "Kind", "What"], rows, { label: "Actions" }));
  }
}
