// One device: state and its history, session, counts, configuration, faults, messages, log, and buttons.

import { followEvents, getJson, request } from "./api.js";
import { askForm, commandForm, publishForm } from "./device_forms.js";
import { el, fill, notice, panel, table } from "./dom.js";
import { STATES, clock, count, seconds } from "./format.js";

const MAX_LINES = 200;
const MESSAGE_KINDS = ["sent", "received", "dropped", "refused"];
const ORDERS = ["start", "stop", "crash", "disconnect"];
const RELOAD_MS = 2000;
const MAX_LISTED_NAMES = 50;

export class DeviceView {
  constructor(app) {
    this.app = app;
    this.position = app.device;
    this.pick = el("input", { type: "search", list: "device-names", id: "device-pick", autocomplete: "off", oninput: (event) => this.suggest(event.target.value), onchange: (event) => this.choose(event.target.value) });
    this.names = el("datalist", { id: "device-names" });
    this.state = el("div", { id: "device-state" });
    this.strip = el("canvas", { class: "strip", role: "img", height: "22" });
    this.facts = el("div", { id: "device-facts" });
    this.session = el("div", { id: "device-session" });
    this.faults = el("div", { id: "device-faults" });
    this.config = el("pre", { id: "device-config", role: "region", tabindex: "0", "aria-label": "Configuration" });
    this.history = el("div", { id: "device-history" });
    this.messages = el("pre", { id: "device-messages", role: "region", tabindex: "0", "aria-label": "Messages of the device" });
    this.log = el("pre", { id: "device-log", role: "region", tabindex: "0", "aria-label": "Log and events of the device" });
    this.buttons = el("div", { class: "row" }, ORDERS.map((order) =>
      el("button", { "data-order": order, onclick: () => this.order(order) }, order[0].toUpperCase() + order.slice(1))));
    const { isLive } = app.store;
    this.command = commandForm(this);
    this.ask = askForm(this);
    this.element = el("div", { class: "view" },
      el("section", { class: "panel", "aria-label": "Device" }, el("div", { class: "row" }, el("label", { for: "device-pick" }, "Device"), this.pick, this.names,
        el("button", { id: "device-previous", onclick: () => this.step(-1) }, "Previous"), el("button", { id: "device-next", onclick: () => this.step(1) }, "Next")), this.state, this.strip,
      isLive ? this.buttons : null),
      isLive ? el("div", { class: "columns" }, panel("Counts and metrics", this.facts), panel("MQTT session", this.session)) : null,
      el("div", { class: "columns" }, panel("Last messages", this.messages), panel("Log and events", this.log)),
      el("div", { class: "columns" }, panel("Changes of state", this.history),
        isLive ? panel("Faults", this.faults) : null, isLive ? panel("Configuration", this.config) : null),
      isLive ? el("div", { class: "columns" }, publishForm(this), this.command.element, this.ask.element) : null);
    this.clear();
  }

  close() {
    this.follow?.abort();
  }

  clear() {
    [this.detail, this.inForce, this.loadedAt] = [null, null, 0];
    this.lines = { messages: [], log: [] };
    this.ask.clear();
    for (const place of [this.facts, this.session, this.faults, this.config]) fill(place, el("span", { class: "hint" }, "Not known yet."));
  }

  get name() {
    return this.app.store.nameOf(this.position);
  }

  // Offers some names that contain what is typed: a list of all would take long in a large fleet.
  suggest(typed) {
    const { names } = this.app.store;
    const wanted = typed.toLowerCase();
    const found = [];
    for (let at = 0; at < names.length && found.length < MAX_LISTED_NAMES; at++) if (names[at].toLowerCase().includes(wanted)) found.push(names[at]);
    fill(this.names, found.map((name) => el("option", { value: name })));
  }

  choose(name) {
    const found = this.app.store.positions.get(name);
    if (found === undefined) return notice("No device is called “" + name + "”.");
    this.app.openDevice(found);
  }

  step(by) {
    const total = this.app.store.names.length;
    if (total) this.app.openDevice((this.position + by + total) % total);
  }

  show(position) {
    const isSame = position === this.position && this.follow;
    this.position = position;
    this.pick.value = this.name;
    if (!isSame) {
      this.clear();
      this.follow?.abort();
      if (this.app.store.isLive) this.startFollowing();
    }
    this.update();
  }

  startFollowing() {
    this.follow = new AbortController();
    const lines = this.lines;
    const path = "/events?per_second=" + MAX_LINES + "&device=" + encodeURIComponent(this.name);
    followEvents(path, (kind, data) => {
      const event = JSON.parse(data);
      const list = MESSAGE_KINDS.includes(kind) ? lines.messages : lines.log;
      list.push(eventLine(event, kind, this.app.store));
      if (list.length > MAX_LINES) list.splice(0, list.length - MAX_LINES);
      this.app.redraw();
    }, this.follow.signal).catch((problem) => {
      if (problem.name !== "AbortError") lines.log.push("The stream of events ended: " + problem.message);
    });
    this.load();
  }

  async load() {
    const { signal } = this.follow;
    this.loadedAt = performance.now();
    try {
      const path = "/devices/" + encodeURIComponent(this.name);
      [this.detail, this.inForce] = await Promise.all([getJson(path, signal), getJson(path + "/faults", signal)]);
      this.showDetail();
    } catch (problem) {
      if (problem.name !== "AbortError" && !this.app.isInterrupted) this.app.report(problem);
    }
  }

  async order(order) {
    await this.app.act(async () => {
      await request("POST", "/devices/" + encodeURIComponent(this.name) + "/" + order);
      notice(this.name + ": " + order, true);
    });
    if (this.follow) this.load();
  }

  update() {
    const { store } = this.app;
    if (this.namesRevision !== store.revision) {
      this.namesRevision = store.revision;
      this.suggest("");
    }
    if (this.position === null || this.position >= store.codes.length) {
      fill(this.state, el("p", { class: "hint" }, "Type a name, or click a device on the map."));
      return;
    }
    this.showState(store);
    this.paintStrip(store);
    this.showHistory(store);
    const lines = store.isLive ? this.lines : recordedLines(store, this.name);
    const until = store.isLive && store.shown !== null ? "Messages and log lines of a running device are shown from the moment at which this page opened it.\n" : "";
    setText(this.messages, lines.messages.length ? lines.messages.slice().reverse().join("\n") : until + "None since this device was opened here.");
    setText(this.log, lines.log.length ? lines.log.slice().reverse().join("\n") : until + "None since this device was opened here.");
    if (store.isLive && store.shown === null && this.follow && performance.now() - this.loadedAt > RELOAD_MS) this.load();
  }

  showState(store) {
    const state = STATES[store.codes[this.position]];
    const reason = store.reasonOf(this.position);
    const battery = this.detail?.battery_joules;
    fill(this.state, el("p", {}, el("strong", {}, this.name), " in group " + store.groupName(this.position) + " is ",
      el("span", { class: "state state-" + state.letter }, state.sign + " " + state.name), reason ? ": " + reason : "", " at " + clock(store.now) + ", since " + clock(store.since[this.position]) + ".",
      battery === null || battery === undefined || store.shown !== null ? "" : " Its battery has " + joules(battery) + " left."));
  }

  paintStrip(store) {
    const { strip } = this;
    if (!strip.clientWidth) return;
    strip.width = strip.clientWidth;
    const context = strip.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const changes = store.changesOf(this.position);
    const span = Math.max(store.endS - store.fromS, 0.1);
    const x = (atS) => ((atS - store.fromS) / span) * strip.width;
    let [code, from] = [changes.length ? changes[0].oldCode : store.codes[this.position], store.fromS];
    const paint = (until) => {
      context.fillStyle = style.getPropertyValue("--state-" + STATES[code].letter);
      // A state that is not `connected` is lower, so that the colour is not all that tells them apart.
      const top = code === 0 ? 0 : 8;
      context.fillRect(x(from), top, Math.max(1, x(until) - x(from)), 22 - top);
    };
    for (const change of changes) {
      paint(change.atS);
      [code, from] = [change.code, change.atS];
    }
    paint(store.endS);
    context.fillStyle = style.getPropertyValue("--text");
    context.fillRect(x(store.now) - 1, 0, 2, 22);
    strip.setAttribute("aria-label", "States over time: " + changes.length + " changes");
  }

  showHistory(store) {
    const changes = store.changesOf(this.position).filter((change) => change.atS <= store.now).slice(-8).reverse();
    const key = store.revision + ":" + changes.map((change) => change.atS + change.code + (change.reason ?? "")).join();
    if (key === this.historyKey) return;
    this.historyKey = key;
    fill(this.history, changes.length ? table(["Time", "State", "Reason"], changes.map((change) =>
      [el("button", { class: "link", onclick: () => store.seek(change.atS) }, clock(change.atS)), STATES[change.code].sign + "\u00a0" + STATES[change.code].name, change.reason ?? ""]), { label: "Last changes" })
      : el("p", { class: "hint" }, "No change so far."));
  }

  showDetail() {
    const { detail } = this;
    const { metrics } = detail;
    const pairs = (values) => Object.entries(values).filter(([, number]) => number > 0).map(([name, number]) => name.replaceAll("_", " ") + " " + count(number)).join(", ") || "none";
    const rows = [
      ["Behaviour", detail.behaviour + " " + detail.behaviour_version.slice(0, 12)],
      ["Runs since", detail.uptime_s === null ? "does not run" : seconds(detail.uptime_s)],
      ["Published", count(metrics.generated)], ["Sent", count(metrics.sent)], ["Received", count(metrics.received)],
      ["Waiting", count(metrics.waiting.out)], ["Lost without a connection", count(metrics.lost_offline)],
      ["Dropped by faults", pairs(metrics.dropped)], ["Refused", pairs(metrics.refused)],
      ["Mean latency", seconds(metrics.avg_latency)], ["Traps", count(metrics.traps)],
      ...(detail.battery_joules === null || detail.battery_joules === undefined ? [] : [["Battery", joules(detail.battery_joules)]]),
      ...(detail.clock_error_s ? [["Its clock is ahead by", (detail.clock_error_s < 0 ? "−" : "") + seconds(Math.abs(detail.clock_error_s))]] : []),
    ];
    const own = Object.values(metrics.behaviours ?? {}).flatMap((values) => Object.entries(values)).map(([name, metric]) => [name, String(Number(Number(metric.mean ?? metric.sum ?? 0).toPrecision(6)))]);
    fill(this.facts, table(["What", "Value"], [...rows, ...own], { label: "Counts and metrics" }));
    this.showSession(detail);
    this.showFaults(detail);
    setText(this.config, Object.keys(detail.config ?? {}).length ? JSON.stringify(detail.config, null, 2) : "Its group has no configuration of its own: the defaults of the behaviour.");
    this.command.update();
  }

  showSession(detail) {
    const { session, will, subscriptions } = detail;
    if (!session) return;
    const rows = [
      ["Client id", detail.client_id], ["MQTT", session.protocol],
      ["Keepalive", session.keep_alive_s ? session.keep_alive_s + " s" : "none"],
      ["Session", session.clean_start ? "clean: a new one with each connection" : "kept for " + session.expiry_s + " s without a connection"],
      ["In flight", count(session.in_flight)], ["Queued", count(session.queued)],
      ...(session.unanswered_s === null ? [] : [["Ping without an answer", seconds(session.unanswered_s)]]),
      ["Will", will ? will.topic + " (QoS " + will.qos + (will.retain ? ", retained" : "") + (will.delay_s ? ", after " + will.delay_s + " s" : "") + "): " + will.payload : "none"],
      ["Subscriptions", subscriptions.length ? subscriptions.map((it) => it.filter + " (QoS " + it.qos + ")").join(", ") : "none"],
    ];
    fill(this.session, table(["What", "Value"], rows, { label: "MQTT session" }));
  }

  showFaults(detail) {
    const faults = this.inForce?.document.fault ?? this.inForce?.document.faults ?? [];
    const acting = new Map(detail.active_faults.map((fault) => [fault.id, fault]));
    const rows = faults.map((fault) => {
      const id = fault.id ?? fault.kind;
      const acts = acting.get(id);
      acting.delete(id);
      return [id, fault.kind, acts ? "acts" + (acts.ends_in_s === undefined ? "" : ", ends in " + seconds(acts.ends_in_s)) : "in force"];
    });
    for (const fault of acting.values()) rows.push([fault.id, fault.kind, "acts" + (fault.ends_in_s === undefined ? "" : ", ends in " + seconds(fault.ends_in_s))]);
    fill(this.faults, rows.length ? table(["Name", "Kind", "Now"], rows, { label: "Faults" }) : el("p", { class: "hint" }, "None."),
      el("p", { class: "hint" }, "Set for the " + (this.inForce?.set_for ?? "fleet") + "."),
      el("button", { class: "link", onclick: () => this.app.openFaults({ scope: "device", name: this.name }) }, "Change the faults of this device"));
  }
}

function joules(value) {
  return value >= 100 ? count(value) + " J" : value.toFixed(2) + " J";
}

function setText(place, text) {
  if (place.shownText === text) return;
  fill(place, text);
  place.shownText = text;
}

export function eventLine(event, kind, store) {
  const atS = store.timeOf(event);
  const message = event.topic === undefined ? event.message ?? event.reason : event.fault ? "by the fault " + event.fault : event.reason;
  const parts = [clock(atS), kind, event.topic, message, event.payload];
  return parts.filter((part) => part !== undefined && part !== null && part !== "").join("  ");
}

function recordedLines(store, name) {
  const own = store.events.filter((event) => event.device === name && event.t_s <= store.now);
  const lines = (wanted) => own.filter((event) => MESSAGE_KINDS.includes(event.kind) === wanted).slice(-MAX_LINES).map((event) => eventLine(event, event.kind, store));
  return { messages: lines(true), log: lines(false) };
}
