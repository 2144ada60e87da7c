// Faults of the fleet, of a group or of a device: presets, a form for each kind, and a way back.

import { getJson, problemOf, request, sendJson } from "./api.js";
import { el, fill, notice, panel, table } from "./dom.js";
import { clock } from "./format.js";
import { fieldsOf, resolve, schemaForm } from "./schema_form.js";

export class FaultsView {
  constructor(app) {
    this.app = app;
    this.undo = [];
    this.scopePick = el("select", { id: "fault-scope", onchange: () => this.changeScope() });
    this.deviceName = el("input", { type: "search", id: "fault-device", placeholder: "name of a device", hidden: true, "aria-label": "Name of a device", onchange: () => this.changeScope() });
    this.current = el("div", { id: "faults-current" });
    this.scopes = el("p", { class: "hint", id: "faults-scopes" });
    this.kinds = el("select", { id: "fault-kind", onchange: () => this.showForm() });
    this.form = el("div", { id: "fault-form" });
    this.element = el("div", { class: "view" });
    if (!app.store.isLive) {
      fill(this.element, panel("Faults", el("p", {}, "This is a recording: its faults are those of the plan. The marks on the plots are the changes during the run.")));
      return;
    }
    fill(this.element,
      panel("Faults in force", el("div", { class: "row" }, el("label", {}, "Of ", this.scopePick), this.deviceName,
        el("button", { id: "preset-realistic", onclick: () => this.put("realistic") }, "Preset “realistic”"),
        el("button", { id: "preset-none", onclick: () => this.put("none") }, "No faults"),
        el("button", { id: "fault-reset", onclick: () => this.reset() }, "As at the start"),
        el("button", { id: "fault-undo", onclick: () => this.takeBack() }, "Take back the last change")),
      el("p", { class: "hint" }, "Faults act on a message in this order. A group or a device with faults of its own does not have those of the fleet."),
      this.scopes, this.current),
      panel("Add a fault", el("div", { class: "field" }, el("label", { for: "fault-kind" }, "Kind"), this.kinds), this.form,
        el("button", { class: "primary", id: "fault-add", onclick: () => this.add() }, "Add")),
      panel("Save what was done by hand", el("p", { class: "hint" }, "A plan with this fleet, and a timeline of the changes that were made over this page and the HTTP API. Run it again with `wasmote experiment run`."),
        el("div", { class: "row" }, el("button", { id: "save-plan", onclick: () => this.savePlan() }, "Save as plan"))));
    this.start();
  }

  close() {}

  async start() {
    await this.app.act(async () => {
      const api = await getJson("/openapi.json");
      this.root = api;
      const fault = resolve({ $ref: "#/components/schemas/Fault" }, api);
      this.variants = new Map((fault.oneOf ?? fault.anyOf ?? []).map((variant) => {
        const own = resolve(variant, api);
        return [fieldsOf(own, api).fields.get("kind")?.const, own];
      }).filter(([kind]) => kind));
      fill(this.kinds, [...this.variants.keys()].sort().map((kind) => el("option", { value: kind }, kind)));
      this.showForm();
    });
    this.fillScopes();
    const wanted = this.app.faultsOf;
    this.app.faultsOf = null;
    if (wanted) this.chooseScope(wanted);
    await this.load();
  }

  fillScopes() {
    const groups = this.app.store.groups.map((group) => ["group:" + group.name, "group " + group.name]);
    fill(this.scopePick, [["fleet", "the fleet"], ...groups, ["device", "one device"]].map(([value, text]) => el("option", { value }, text)));
  }

  chooseScope({ scope, name }) {
    if (scope === "device") this.deviceName.value = name;
    this.scopePick.value = scope === "group" ? "group:" + name : scope;
    this.deviceName.hidden = scope !== "device";
  }

  // Other scopes that have faults of their own, which do not have those of the fleet.
  async loadScopes() {
    const own = (await getJson("/faults/scopes")).filter((it) => it.scope !== "fleet");
    fill(this.scopes, own.length ? ["With faults of their own: ", own.slice(0, 30).flatMap((it, at) => [at ? ", " : "", el("button", { class: "link", "data-scope": it.name, onclick: () => {
      this.chooseScope(it);
      this.load();
    } }, (it.scope === "group" ? "group " : "") + it.name)]), own.length > 30 ? " and " + (own.length - 30) + " more." : "."] : "");
  }

  changeScope() {
    const value = this.scopePick.value;
    this.deviceName.hidden = value !== "device";
    if (value === "device" && !this.deviceName.value) return;
    this.load();
  }

  get path() {
    const value = this.scopePick.value;
    if (value.startsWith("group:")) return "/groups/" + encodeURIComponent(value.slice(6)) + "/faults";
    if (value === "device") return "/devices/" + encodeURIComponent(this.deviceName.value) + "/faults";
    return "/faults";
  }

  // The faults in force. The document is as it was sent, and may use either name of the list.
  get faults() {
    const { document } = this.view;
    return document.fault ?? document.faults ?? [];
  }

  // A change waits for what is loaded here, because it begins with the faults of the chosen scope.
  load() {
    const path = this.path;
    this.loaded = this.app.act(async () => {
      const view = await getJson(path);
      if (path !== this.path) return;
      this.view = view;
      this.showCurrent();
    });
    return this.loaded;
  }

  showForm() {
    const variant = this.variants.get(this.kinds.value);
    if (!variant) return;
    this.reader = schemaForm(variant, this.root, ["kind"], { group: this.app.store.groups.map((group) => group.name) });
    fill(this.form, el("p", { class: "hint" }, variant.description ?? ""), this.reader.element);
  }

  showCurrent() {
    this.loadScopes().catch(() => fill(this.scopes));
    const { origin, set_for: setFor, warnings } = this.view;
    const rows = this.faults.map((fault, at) => {
      const { kind, id, ...rest } = fault;
      const fields = Object.entries(rest).filter(([, value]) => value !== null).map(([name, value]) => name + " = " + JSON.stringify(value)).join(", ");
      return [id ?? kind, kind, el("span", { class: "mono" }, fields), el("button", { "data-remove": id ?? kind, onclick: () => this.remove(at) }, "Remove")];
    });
    fill(this.current, el("p", { class: "hint" }, "Set for the " + setFor + ", from " + origin + "."),
      (warnings ?? []).map((warning) => el("p", {}, warning)),
      rows.length ? table(["Name", "Kind", "Fields", "Change"], rows, { label: "Faults" }) : el("p", {}, "No faults."));
  }

  async add() {
    await this.loaded;
    await this.app.act(async () => {
      const fault = { kind: this.kinds.value, ...this.reader.read() };
      await this.put({ fault: [...this.faults, fault] });
    });
  }

  async remove(at) {
    await this.put({ fault: this.faults.filter((_, index) => index !== at) });
  }

  async put(document) {
    await this.app.act(async () => {
      const before = this.view;
      const path = this.path;
      this.view = await sendJson("PUT", path, document);
      this.undo.push([path, before]);
      notice("The faults are changed at " + clock(this.app.store.endS) + ".", true);
      this.showCurrent();
    });
  }

  async reset() {
    await this.app.act(async () => {
      const before = this.view;
      this.view = await request("DELETE", this.path);
      this.undo.push([this.path, before]);
      this.showCurrent();
    });
  }

  async takeBack() {
    const last = this.undo.pop();
    if (!last) return notice("No change of this page is left to take back.");
    const [path, before] = last;
    await this.app.act(async () => {
      // Inherited faults come back when the scope's own are deleted.
      const inherited = before.set_for !== before.scope;
      const view = inherited ? await request("DELETE", path) : await sendJson("PUT", path, before.document);
      if (path === this.path) this.view = view;
      notice("The last change is taken back.", true);
      this.showCurrent();
    });
  }

  async savePlan() {
    await this.app.act(async () => {
      const response = await request("GET", "/plan", { any: true });
      if (!response.ok) throw await problemOf(response);
      const link = el("a", { href: URL.createObjectURL(await response.blob()), download: "by-hand.toml" });
      document.body.append(link);
      link.click();
      link.remove();
      URL.revokeObjectURL(link.href);
      notice("The plan is saved as by-hand.toml.", true);
    });
  }

  update() {}
}
