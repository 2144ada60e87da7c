// The page: finds its recording, follows the run, and shows one view at a time.

import { followEvents, getJson, request, setToken } from "./api.js";
import { el, fill, notice } from "./dom.js";
import { plural } from "./format.js";
import { faultsInForce } from "./problems.js";
import { Store } from "./store.js";
import { FleetView } from "./view_fleet.js";
import { MapView } from "./view_map.js";
import { DeviceView } from "./view_device.js";
import { MessagesView } from "./view_messages.js";
import { FaultsView } from "./view_faults.js";
import { BehavioursView } from "./view_behaviours.js";
import { CompareView } from "./view_compare.js";
import { TimeBar } from "./time_bar.js";

const VIEWS = { fleet: FleetView, map: MapView, device: DeviceView, messages: MessagesView, faults: FaultsView, behaviours: BehavioursView, compare: CompareView };
const REDRAW_MS = 250;
const RETRY_MS = 2000;

class App {
  constructor() {
    this.store = new Store();
    this.device = null;
    this.runs = [];
    this.stopAt = null;
    this.main = document.getElementById("main");
    this.tabs = document.getElementById("tabs");
    this.timeBar = new TimeBar(this, document.getElementById("time"));
    this.links = Object.keys(VIEWS).map((name) => el("a", { href: "#" + name, id: "tab-" + name }, name[0].toUpperCase() + name.slice(1)));
    fill(this.tabs, this.links.map((link) => el("li", {}, link)));
    this.store.listen((what) => (what === "seek" ? this.redrawNow() : this.redraw()));
    addEventListener("hashchange", () => this.route());
    // A browser may keep a page that was left, with its streams, and it has few connections for one host.
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redrawNow());
  }

  start() {
    const embedded = document.getElementById("recording");
    if (embedded) {
      this.embedded = JSON.parse(embedded.textContent);
      this.viewRuns();
      return;
    }
    this.links.at(-1).parentElement.hidden = true;
    this.route();
    if (document.querySelector('meta[name="mode"]').content === "view") this.viewRuns();
    else this.follow();
  }

  // Shows finished runs, one of which is chosen.
  async viewRuns() {
    await this.act(async () => {
      this.runs = this.embedded?.map((run) => run.title + ", seed " + run.seed) ?? await getJson("/runs");
      this.links.at(-1).parentElement.hidden = this.runs.length < 2;
      const choice = el("select", { id: "run-choice", "aria-label": "Run", onchange: () => this.loadRun(choice.value) },
        this.runs.map((run, at) => el("option", { value: String(at) }, run)));
      if (this.runs.length > 1 || !this.embedded) document.getElementById("run").before(choice);
      await this.loadRun("0");
    });
  }

  // The recording of a finished run, from the server of finished runs or from this file.
  async recordingOf(number) {
    return this.embedded?.[Number(number)] ?? await getJson("/runs/" + number);
  }

  async loadRun(number) {
    await this.act(async () => {
      this.store.shown = null;
      this.store.load(await this.recordingOf(number));
      this.device = null;
      this.route(true);
    });
  }

  // Follows the run for as long as the page is open; after an interruption it begins again.
  async follow() {
    while (!this.isLeaving) {
      const stop = new AbortController();
      this.stop = stop;
      try {
        await followEvents("/live", (kind, data) => this.take(kind, data, stop), stop.signal);
        this.interrupted("The host has ended the stream.");
      } catch (problem) {
        if (problem.status === 401) await this.askForToken(problem.message);
        else if (problem.name !== "AbortError") this.interrupted("The host does not answer: " + problem.message);
      }
      await new Promise((resume) => setTimeout(resume, stop.signal.aborted ? 0 : RETRY_MS));
    }
  }

  leave() {
    this.isLeaving = true;
    this.stop?.abort();
    this.view?.close();
  }

  take(kind, data, stop) {
    const value = JSON.parse(data);
    if (kind === "recording") {
      const isNewKind = this.store.isLive !== Boolean(value.live);
      this.store.load(value);
      this.isInterrupted = false;
      this.showRun();
      if (isNewKind) this.route(true);
      this.loadFaults();
    } else if (kind === "changes") this.store.addChanges(value);
    else if (kind === "sample") this.store.addSample(value);
    else if (kind === "mark") {
      this.store.addMark(value);
      this.loadFaults();
    }
    else if (kind === "restart") stop.abort();
    if (this.store.needsReload) {
      this.store.needsReload = false;
      stop.abort();
    }
  }

  // The faults in force explain losses. They change with marks.
  async loadFaults() {
    try {
      this.store.faults = faultsInForce(await getJson("/faults/scopes"), this.store);
      this.redraw();
    } catch {
      // Without them, losses have only the names of faults.
    }
  }

  interrupted(text) {
    if (!this.isInterrupted) notice(text + " The page tries again every two seconds.");
    this.isInterrupted = true;
    this.showRun();
  }

  askForToken(text) {
    return new Promise((resume) => {
      const input = el("input", { type: "password", id: "token", autocomplete: "off" });
      const send = () => {
        setToken(input.value.trim());
        line.remove();
        resume();
      };
      const line = el("form", { class: "notice", onsubmit: (event) => {
        event.preventDefault();
        send();
      } }, el("label", { for: "token" }, "Token of this host"), input, el("button", { type: "submit", class: "primary" }, "Use it"), el("span", { class: "hint" }, text));
      document.getElementById("notices").append(line);
      input.focus();
    });
  }

  showRun() {
    const { about } = this.store;
    const kind = this.store.isLive ? (this.isInterrupted ? "interrupted" : "live") : "recording";
    document.getElementById("run").textContent = [about.title, kind, about.broker, about.seed ? "seed " + about.seed : "", about.version ? "version " + about.version : ""].filter(Boolean).join(" · ") + (about.truncated ? " · " + about.truncated : "");
    document.title = "Wasmote: " + (about.title ?? "");
  }

  route(again) {
    const [name, argument, number] = addressParts();
    const tab = VIEWS[name] ? name : "fleet";
    if (tab === "device" && argument) this.device = this.store.positions.get(argument) ?? this.device;
    if (tab === "device" && this.device === null && this.store.names.length) this.device = 0;
    if (tab !== this.tab || again) {
      this.view?.close();
      this.tab = tab;
      this.stopAt = null;
      this.view = new VIEWS[tab](this);
      fill(this.main, this.view.element);
      this.links.forEach((link) => (link.id === "tab-" + tab ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")));
    }
    if (tab === "map" && argument) this.view.open(argument);
    if (tab === "messages" && number) this.view.journey.show(argument + "/" + number);
    if (tab === "device" && this.device !== null) this.view.show(this.device);
    this.showRun();
    this.redrawNow();
  }

  openDevice(position) {
    this.device = position;
    const hash = "#device/" + encodeURIComponent(this.store.nameOf(position));
    if (location.hash === hash) this.route();
    else location.hash = hash;
  }

  // Opens the faults of the fleet, or of a group or device.
  openFaults(scope) {
    this.faultsOf = scope ?? null;
    location.hash = "#faults";
  }

  // Opens the map with the devices coloured by a value.
  openValues(of) {
    this.colourBy = of;
    location.hash = "#map";
  }

  openMap(letter) {
    location.hash = "#map/" + letter;
  }

  // Sends an order to many devices, a few at a time.
  async orderMany(names, order) {
    await this.act(async () => {
      const left = names.slice();
      const send = async () => {
        while (left.length) await request("POST", "/devices/" + encodeURIComponent(left.pop()) + "/" + order);
      };
      await Promise.all(Array.from({ length: 8 }, send));
      notice(plural(names.length, "device") + ": " + order, true);
    });
  }

  // Runs a request of the user and says what went wrong. A missing token is asked for, and the request is made again.
  async act(work) {
    try {
      await work();
    } catch (problem) {
      if (problem.status !== 401) return this.report(problem);
      await this.askForToken(problem.message);
      await this.act(work);
    }
  }

  report(problem) {
    notice((problem.field ? problem.field + ": " : "") + problem.message);
  }

  redraw() {
    // The first change after a pause is shown at once, and later ones together.
    if (this.timer) return;
    const wait = Math.max(0, REDRAW_MS - (performance.now() - (this.drawnAt ?? 0)));
    this.timer = setTimeout(() => this.redrawNow(), wait);
  }

  redrawNow() {
    clearTimeout(this.timer);
    this.timer = null;
    this.drawnAt = performance.now();
    this.timeBar.update();
    if (!document.hidden) this.view?.update();
  }
}

// The view in the address, and the device or state in it. An address with an invalid escape is that of the first view.
function addressParts() {
  try {
    return decodeURIComponent(location.hash.slice(1)).split("/");
  } catch {
    return ["fleet"];
  }
}

new App().start();
