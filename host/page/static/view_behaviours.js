// Behaviours with their versions, and a place to drop a new one.

import { getJson, request } from "./api.js";
import { el, fill, notice, panel, table } from "./dom.js";
import { bytes, count } from "./format.js";

export class BehavioursView {
  constructor(app) {
    this.app = app;
    this.list = el("div", { id: "behaviours" });
    this.target = el("select", { id: "rollout-name", "aria-label": "Behaviour" });
    this.file = el("input", { type: "file", accept: ".wasm,.gz", id: "rollout-file", "aria-label": "Component", onchange: () => this.roll(this.file.files[0]) });
    this.progress = el("p", { role: "status", id: "rollout-progress" });
    this.drop = el("div", { class: "drop", id: "drop" }, "Drop a component (.wasm or .wasm.gz) here, or choose a file: ", this.file);
    for (const kind of ["dragover", "dragleave", "drop"]) this.drop.addEventListener(kind, (event) => this.dragged(event));
    this.element = el("div", { class: "view" }, panel("Behaviours", this.list), app.store.isLive
      ? panel("Roll out a new version", el("p", { class: "hint" }, "One device of each group tries it first. If it traps there, all keep the old version. Connections and state stay."),
        el("div", { class: "field" }, el("label", { for: "rollout-name" }, "Behaviour"), this.target), this.drop, this.progress)
      : null);
    this.load();
  }

  close() {}

  async load() {
    const { store } = this.app;
    if (!store.isLive) {
      fill(this.list, table(["Group", "Behaviour"], store.groups.map((group) => [group.name, group.behaviour])));
      return;
    }
    await this.app.act(async () => {
      this.behaviours = await getJson("/behaviours");
      fill(this.target, this.behaviours.map((behaviour) => el("option", { value: behaviour.name }, behaviour.name)));
      this.show();
    });
  }

  show() {
    const rows = this.behaviours.flatMap((behaviour) => behaviour.versions.map((version, at) => [
      at === 0 ? behaviour.name : "", el("span", { class: "mono" }, version.sha256.slice(0, 12)), version.source, count(version.devices),
      at === 0 ? behaviour.updates.done + " done, " + behaviour.updates.refused + " refused" : "",
    ]));
    const refusals = this.behaviours.filter((behaviour) => behaviour.last_refusal).map((behaviour) =>
      el("p", {}, behaviour.name + ": the last update was refused: " + behaviour.last_refusal.reason));
    fill(this.list, table(["Behaviour", "Version", "From", "Devices", "Updates"], rows, { numbers: [3], label: "Behaviours" }), refusals);
  }

  dragged(event) {
    event.preventDefault();
    this.drop.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") this.roll(event.dataTransfer.files[0]);
  }

  async roll(file) {
    if (!file) return;
    const name = this.target.value;
    fill(this.progress, "Sending " + file.name + " (" + bytes(file.size) + ") to " + name + ": compiling, then one device of each group tries it…");
    await this.app.act(async () => {
      try {
        const done = await request("PUT", "/behaviours/" + encodeURIComponent(name), { type: "application/wasm", body: file });
        const text = done.changed ? done.swapped + " devices run it" + (done.canaries.length ? "; first " + done.canaries.slice(0, 5).join(", ") : "") : "all devices had this version already";
        fill(this.progress, file.name + ": " + text + (done.refused ? ", and " + done.refused + " keep the old version" : "") + ".");
        notice(name + " is updated.", true);
      } catch (problem) {
        fill(this.progress, "The old version keeps running: " + problem.message);
        throw problem;
      } finally {
        this.file.value = "";
        await this.load();
      }
    });
  }

  update() {
    // The numbers of devices change during a rollout.
    const now = performance.now();
    if (!this.app.store.isLive || now - (this.loadedAt ?? 0) < 3000) return;
    this.loadedAt = now;
    getJson("/behaviours").then((behaviours) => {
      this.behaviours = behaviours;
      this.show();
    }).catch(() => {});
  }
}
