// Behaviours with their versions, the progress of an update, a way back, and a place to drop a new version.

import { getJson, request } from "./api.js";
import { el, fill, notice, panel, table } from "./dom.js";
import { bytes, count, plural, seconds } from "./format.js";

const VERSIONS_RELOAD_MS = 3000;
const PROGRESS_MS = 400;

export class BehavioursView {
  constructor(app) {
    this.app = app;
    this.list = el("div", { id: "behaviours" });
    this.target = el("select", { id: "rollout-name" });
    this.file = el("input", { type: "file", accept: ".wasm,.gz", id: "rollout-file", "aria-label": "Component", onchange: () => this.roll(this.file.files[0]) });
    this.steps = el("ol", { id: "rollout-steps", class: "steps", hidden: true });
    this.progress = el("p", { role: "status", id: "rollout-progress" });
    this.drop = el("div", { class: "drop", id: "drop" }, "Drop a component (.wasm or .wasm.gz) here, or choose a file: ", this.file);
    for (const kind of ["dragover", "dragleave", "drop"]) this.drop.addEventListener(kind, (event) => this.dragged(event));
    this.element = el("div", { class: "view" }, panel("Behaviours", this.list), app.store.isLive
      ? panel("Roll out a new version", el("p", { class: "hint" }, "One device of each group tries it first. If it traps there, all keep the old version. Connections and state stay."),
        el("div", { class: "field" }, el("label", { for: "rollout-name" }, "Behaviour"), this.target), this.drop, this.steps, this.progress)
      : null);
    this.load();
  }

  close() {
    clearInterval(this.watching);
    this.isClosed = true;
  }

  async load() {
    const { store } = this.app;
    if (!store.isLive) {
      fill(this.list, table(["Group", "Behaviour", "Devices"], store.groups.map((group) => [group.name, group.behaviour, count(store.membersOf(group.name).length)]), { numbers: [2], label: "Behaviours" }));
      return;
    }
    await this.app.act(async () => {
      this.behaviours = await getJson("/behaviours");
      const chosen = this.target.value;
      fill(this.target, this.behaviours.map((behaviour) => el("option", { value: behaviour.name }, behaviour.name)));
      if (this.behaviours.some((behaviour) => behaviour.name === chosen)) this.target.value = chosen;
      this.show();
    });
  }

  show() {
    const key = JSON.stringify(this.behaviours.map(({ name, versions, updates, groups, last_refusal: refusal, can_roll_back: back, progress }) => [name, versions, updates, groups, refusal, back, Boolean(progress)]));
    this.showSteps();
    if (key === this.listKey) return;
    this.listKey = key;
    const rows = this.behaviours.flatMap((behaviour) => behaviour.versions.map((version, at) => [
      at === 0 ? behaviour.name : "", at === 0 ? behaviour.groups.join(", ") : "", el("span", { class: "mono" }, version.sha256.slice(0, 12)),
      version.source, new Date(version.since * 1000).toLocaleTimeString(),
      version.devices ? el("button", { class: "link", "data-version": version.sha256, onclick: () => this.app.openValues("version") }, plural(version.devices, "device")) : "none",
      at === 0 ? el("span", { class: "row" }, behaviour.updates.done + " done, " + behaviour.updates.refused + " refused",
        behaviour.can_roll_back ? el("button", { "data-rollback": behaviour.name, disabled: Boolean(behaviour.progress), onclick: () => this.rollBack(behaviour.name) }, "Roll back") : null) : "",
    ]));
    const refusals = this.behaviours.filter((behaviour) => behaviour.last_refusal).map((behaviour) =>
      el("p", {}, behaviour.name + ": the last update was refused: " + behaviour.last_refusal.reason));
    fill(this.list, table(["Behaviour", "Groups", "Version", "From", "Since", "Runs on", "Updates"], rows, { label: "Behaviours" }), refusals);
  }

  // The three steps of an update in progress, whoever began it.
  showSteps() {
    const updated = this.behaviours?.find((behaviour) => behaviour.progress);
    this.steps.hidden = !updated;
    if (!updated) return;
    const { step, canaries, trial_s: trialS, since, done, devices, source } = updated.progress;
    const order = ["compiling", "canaries", "others"];
    const elapsed = Math.min(trialS, Math.max(0, Date.now() / 1000 - since));
    const texts = {
      compiling: "Check and compile the component from " + source,
      canaries: (canaries.length ? canaries.slice(0, 5).join(", ") : "One device of each group") + " " + (canaries.length > 1 ? "try" : "tries") + " it" + (step === "canaries" ? ": " + elapsed.toFixed(0) + " of " + seconds(trialS) : " for " + seconds(trialS)),
      others: "The other devices follow" + (step === "others" ? ": " + count(done) + " of " + count(devices) : ""),
    };
    const value = { compiling: 0, canaries: trialS ? elapsed / trialS : 0, others: devices ? done / devices : 0 }[step];
    const now = order.indexOf(step);
    fill(this.steps, order.map((name, at) => el("li", { class: at === now ? "now" : null, "aria-current": at === now ? "step" : null },
      (at < now ? "✓ " : "") + updated.name + ": " + texts[name],
      at === now && name !== "compiling" ? el("progress", { value: String(value), max: "1", "aria-label": texts[name] }) : null)));
  }

  // Looks often while an update of this page is in progress.
  watch() {
    clearInterval(this.watching);
    this.watching = setInterval(() => this.refresh(), PROGRESS_MS);
  }

  async refresh() {
    try {
      this.behaviours = await getJson("/behaviours");
      if (!this.isClosed) this.show();
    } catch {
      // The next look may succeed.
    }
  }

  dragged(event) {
    event.preventDefault();
    this.drop.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") this.roll(event.dataTransfer.files[0]);
  }

  async roll(file) {
    if (!file) return;
    const name = this.target.value;
    fill(this.progress, "Sending " + file.name + " (" + bytes(file.size) + ") to " + name + ".");
    await this.runUpdate(file.name, name, () => request("PUT", "/behaviours/" + encodeURIComponent(name), { type: "application/wasm", body: file }));
    this.file.value = "";
  }

  async rollBack(name) {
    fill(this.progress, name + " goes back to the version before.");
    await this.runUpdate(name + " is back", name, () => request("POST", "/behaviours/" + encodeURIComponent(name) + "/rollback"));
  }

  async runUpdate(what, name, send) {
    this.watch();
    await this.app.act(async () => {
      try {
        const done = await send();
        const text = done.changed ? plural(done.swapped, "device") + " run" + (done.swapped === 1 ? "s" : "") + " it" + (done.canaries.length ? "; first " + done.canaries.slice(0, 5).join(", ") : "") : "all devices had this version already";
        fill(this.progress, what + ": " + text + (done.refused ? ", and " + done.refused + " keep the old version" : "") + ".");
        notice(name + " is updated.", true);
      } catch (problem) {
        fill(this.progress, "The old version keeps running: " + problem.message);
        throw problem;
      } finally {
        clearInterval(this.watching);
        await this.load();
      }
    });
  }

  update() {
    // Numbers of devices change, and others begin updates too.
    const now = performance.now();
    if (!this.app.store.isLive || now - (this.loadedAt ?? 0) < VERSIONS_RELOAD_MS) return;
    this.loadedAt = now;
    this.refresh();
  }
}
