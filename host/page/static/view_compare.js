// Two runs side by side, up to the moment at which they first differ.

import { el, fill, panel } from "./dom.js";
import { STATES, clock, count, seconds } from "./format.js";
import { Store } from "./store.js";
import { MapView } from "./view_map.js";

export class CompareView {
  constructor(app) {
    this.app = app;
    this.other = new Store();
    this.left = new MapView(app, " of the first run");
    this.right = new MapView({ store: this.other, openDevice: (position) => app.openDevice(position) }, " of the second run");
    this.choice = el("select", { id: "compare-choice", "aria-label": "Second run", onchange: () => this.load(this.choice.value) },
      app.runs.map((run, at) => el("option", { value: String(at) }, run)));
    this.answer = el("p", { id: "difference", role: "status" });
    this.jump = el("button", { id: "to-difference", onclick: () => app.store.seek(this.differsAt) }, "Go to the first difference");
    this.element = el("div", { class: "view" },
      panel("Two runs", el("div", { class: "row" }, el("label", {}, "Beside it ", this.choice), this.jump), this.answer),
      el("div", { class: "columns" }, el("div", { class: "view" }, this.left.element), el("div", { class: "view" }, this.right.element)));
    if (app.runs.length > 1) {
      this.choice.value = "1";
      this.load("1");
    }
  }

  close() {
    this.left.close();
    this.right.close();
    this.app.stopAt = null;
  }

  async load(number) {
    await this.app.act(async () => {
      this.other.load(await this.app.recordingOf(number));
      this.compare();
      this.update();
    });
  }

  compare() {
    const difference = firstDifference(this.app.store, this.other);
    this.differsAt = difference?.atS ?? null;
    this.app.stopAt = this.differsAt;
    this.jump.disabled = difference === null;
    fill(this.answer, difference === null ? "The states of all devices and all measurements are equal in both runs." :
      "Equal until " + clock(difference.atS) + ". Then in the first run: " + difference.left + ". In the second: " + difference.right + ".");
  }

  update() {
    const { store } = this.app;
    if (this.other.names.length) this.other.seek(store.now);
    this.left.update();
    this.right.update();
  }
}

// The first change of a state, or the first measurement, that only one of two runs has.
export function firstDifference(a, b) {
  const changeText = (it, store) => store.nameOf(it.position) + " is " + STATES[it.code].name + (it.reason ? ": " + it.reason : "") + " at " + clock(it.atS);
  const sampleText = (it) => count(it.generated) + " published, " + count(it.sent) + " sent, " + count(it.received) + " received in " + seconds(it.span_s) + " up to " + clock(it.at_s);
  const found = [
    firstOther({ length: a.changes.length, at: (at) => a.change(at) }, { length: b.changes.length, at: (at) => b.change(at) }, (it) => it.atS, changeText, a, b),
    firstOther({ length: a.samples.length, at: (at) => a.samples[at] }, { length: b.samples.length, at: (at) => b.samples[at] }, (it) => it.at_s, sampleText, a, b)];
  const known = found.filter((it) => it !== null).sort((x, y) => x.atS - y.atS);
  return known[0] ?? null;
}

function firstOther(left, right, time, describe, a, b) {
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [at < left.length ? left.at(at) : null, at < right.length ? right.at(at) : null];
    const [own, others] = [one && time(one) + describe(one, a), other && time(other) + describe(other, b)];
    if (own === others) continue;
    const text = (it, store) => (it ? describe(it, store) : "nothing more");
    return { atS: Math.min(one ? time(one) : Infinity, other ? time(other) : Infinity), left: text(one, a), right: text(other, b) };
  }
  return null;
}
