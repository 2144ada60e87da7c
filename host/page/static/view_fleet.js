// The fleet as a whole: what is wrong, states, rates, losses, latency.

import { el, fill, panel, table } from "./dom.js";
import { STATES, clock, count, percent, plural, rate, seconds } from "./format.js";
import { Plot } from "./plots.js";
import { findProblems } from "./store.js";

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
    this.showPlots(store);
    this.showGroups(store);
    this.showMarks(store);
  }

  showProblems(store) {
    const problems = findProblems(store);
    if (!problems.length) {
      const connected = store.counts[0];
      const text = connected ? "Nothing: " + plural(connected, "device") + " connected, and no message is lost." : "No device has started yet.";
      fill(this.problems, el("li", { class: "fine" }, text));
      return;
    }
    fill(this.problems, problems.slice(0, 12).map((problem) => el("li", {}, problem.text,
      problem.first === undefined ? null : [" ", el("button", { class: "link", onclick: () => this.app.openDevice(problem.first) }, "Show " + store.nameOf(problem.first))])));
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
    this.plots.rates.update([["published", per("generated")], ["sent", per("sent")], ...(has("received") ? [["received", per("received")]] : [])]);
    const faults = new Set();
    store.samples.forEach((sample) => Object.entries(sample.dropped ?? {}).forEach(([fault, number]) => number > 0 && faults.add(fault)));
    const byFault = [...faults].sort().slice(0, 6).map((fault) => ["fault " + fault, (sample) => (sample.span_s ? (sample.dropped?.[fault] ?? 0) / sample.span_s : null)]);
    this.plots.losses.update([...byFault, ...(has("lost_offline") ? [["no connection", per("lost_offline")]] : []), ["refused", per("refused")]]);
    this.plots.latency.update([["50 %", (sample) => sample.latency_p50_s], ["95 %", (sample) => sample.latency_p95_s], ["99 %", (sample) => sample.latency_p99_s]]);
    this.plots.devices.update([["up", (sample) => sample.up], ["all", (sample) => sample.devices]]);
    this.plots.lag.element.hidden = !has("lag_s");
    if (has("lag_s")) this.plots.lag.update([["late by", (sample) => sample.lag_s]]);
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
