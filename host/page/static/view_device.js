// One device: state and its history, counts, faults, log, what its behaviour answers, and buttons.

import { followEvents, getJson, request, sendJson } from "./api.js";
import { el, fill, notice, panel, table } from "./dom.js";
import { STATES, clock, count, seconds } from "./format.js";

const MAX_LINES = 200;

export class DeviceView {
  constructor(app) {
    this.app = app;
    this.position = app.device;
    this.lines = [];
    this.pick = el("input", { type: "search", list: "device-names", id: "device-pick", autocomplete: "off", onchange: (event) => this.choose(event.target.value) });
    this.names = el("datalist", { id: "device-names" });
    this.state = el("div", { id: "device-state" });
    this.strip = el("canvas", { class: "strip", role: "img", "aria-label": "States over time", height: "22" });
    this.facts = el("div", { id: "device-facts" });
    this.log = el("pre", { id: "device-log", role: "region", tabindex: "0", "aria-label": "Events of the device" });
    this.answer = el("pre", { id: "device-answer", role: "region", tabindex: "0", "aria-label": "Answer of the behaviour" });
    this.buttons = el("div", { class: "row" }, ["start", "stop", "crash"].map((order) =>
      el("button", { "data-order": order, onclick: () => this.order(order) }, order[0].toUpperCase() + order.slice(1))));
    this.element = el("div", { class: "view" },
      el("section", { class: "panel" }, el("div", { class: "row" }, el("label", {}, "Device ", this.pick), this.names,
        el("button", { onclick: () => this.step(-1) }, "Previous"), el("button", { onclick: () => this.step(1) }, "Next")), this.state, this.strip,
      app.store.isLive ? this.buttons : null),
      el("div", { class: "columns" },
        panel("Now", this.facts),
        panel("Events", this.log)),
      app.store.isLive ? el("div", { class: "columns" }, this.publishForm(), this.askForm()) : null);
  }

  close() {
    this.follow?.abort();
  }

  publishForm() {
    const topic = el("input", { type: "text", id: "publish-topic", placeholder: "topic" });
    const message = el("textarea", { id: "publish-message", rows: "3" });
    const qos = el("select", { "aria-label": "QoS" }, ["0", "1", "2"].map((value) => el("option", { value }, "QoS " + value)));
    const retain = el("input", { type: "checkbox" });
    const send = async () => {
      const body = { message: message.value, qos: Number(qos.value), retain: retain.checked };
      if (topic.value) body.topic = topic.value;
      await this.app.act(async () => {
        const done = await sendJson("POST", "/devices/" + encodeURIComponent(this.name) + "/publish", body);
        notice(done.device + " publishes " + done.bytes + " bytes on " + done.topic + ". Its faults may still drop them.", true);
      });
    };
    return panel("Publish as this device", el("div", { class: "field" }, el("label", { for: "publish-topic" }, "Topic"), topic, qos,
      el("label", {}, retain, " retain")), el("label", { for: "publish-message" }, "Message"), message,
    el("div", { class: "row" }, el("button", { class: "primary", id: "publish-send", onclick: send }, "Publish")));
  }

  // What behaviours serve under /app is shown as text: it comes from the guest.
  askForm() {
    const path = el("input", { type: "text", id: "ask-path", value: "", placeholder: "path below /app" });
    const body = el("input", { type: "text", id: "ask-body", placeholder: "body of a command (POST)" });
    const ask = async () => {
      const target = "/devices/" + encodeURIComponent(this.name) + "/app/" + path.value.replace(/^\//, "").split("/").map(encodeURIComponent).join("/");
      const options = body.value ? { body: body.value, type: "application/json", any: true } : { any: true };
      await this.app.act(async () => {
        const response = await request(body.value ? "POST" : "GET", target, options);
        const text = (await response.text()).slice(0, 20000);
        fill(this.answer, "Status " + response.status + "\n" + text);
      });
    };
    return panel("Ask its behaviour", el("div", { class: "row" }, el("label", { for: "ask-path" }, "/app/"), path, body,
      el("button", { id: "ask-send", onclick: ask }, "Send")), this.answer);
  }

  get name() {
    return this.app.store.nameOf(this.position);
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
    this.position = position;
    this.pick.value = this.name;
    this.lines = [];
    this.detail = null;
    fill(this.answer);
    this.follow?.abort();
    if (this.app.store.isLive) this.startFollowing();
    this.update();
  }

  startFollowing() {
    this.follow = new AbortController();
    const path = "/events?device=" + encodeURIComponent(this.name);
    followEvents(path, (kind, data) => {
      this.lines.push(eventLine(JSON.parse(data), kind, this.app.store));
      if (this.lines.length > MAX_LINES) this.lines.splice(0, this.lines.length - MAX_LINES);
      this.app.redraw();
    }, this.follow.signal).catch((problem) => {
      if (problem.name !== "AbortError") this.lines.push("The stream of events ended: " + problem.message);
    });
    this.load();
  }

  async load() {
    try {
      this.detail = await getJson("/devices/" + encodeURIComponent(this.name), this.follow.signal);
      this.app.redraw();
    } catch (problem) {
      if (problem.name !== "AbortError") this.app.report(problem);
    }
  }

  async order(order) {
    await this.app.act(async () => {
      await request("POST", "/devices/" + encodeURIComponent(this.name) + "/" + order);
      notice(this.name + ": " + order, true);
    });
    this.load();
  }

  update() {
    const { store } = this.app;
    if (this.namesRevision !== store.revision) {
      this.namesRevision = store.revision;
      fill(this.names, store.names.slice(0, 2000).map((name) => el("option", { value: name })));
    }
    if (this.position === null || this.position >= store.codes.length) {
      fill(this.state, el("p", { class: "hint" }, "Type a name, or click a device on the map."));
      return;
    }
    const state = STATES[store.codes[this.position]];
    const reason = store.reasons.get(this.position);
    fill(this.state, el("p", {}, el("strong", {}, this.name), " in group " + store.groupName(this.position) + " is ",
      el("span", { class: "state state-" + state.letter }, state.sign + " " + state.name), reason ? ": " + reason : "", " at " + clock(store.now) + "."));
    this.paintStrip(store);
    this.showFacts();
    const lines = store.isLive ? this.lines : recordedLines(store, this.name);
    fill(this.log, lines.length ? lines.join("\n") : "No event so far.");
    if (this.loadedAt === undefined || performance.now() - this.loadedAt > 2000) {
      this.loadedAt = performance.now();
      if (store.isLive && store.shown === null && this.follow) this.load();
    }
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
      context.fillRect(x(from), 0, Math.max(1, x(until) - x(from)), 22);
    };
    for (const change of changes) {
      paint(change.atS);
      [code, from] = [change.code, change.atS];
    }
    paint(store.endS);
    context.fillStyle = style.getPropertyValue("--text");
    context.fillRect(x(store.now) - 1, 0, 2, 22);
  }

  showFacts() {
    const { store } = this.app;
    const changes = store.changesOf(this.position).filter((change) => change.atS <= store.now).slice(-6).reverse();
    const history = changes.length ? table(["Time", "State", "Reason"], changes.map((change) =>
      [el("button", { class: "link", onclick: () => store.seek(change.atS) }, clock(change.atS)), STATES[change.code].sign + " " + STATES[change.code].name, change.reason ?? ""]), { label: "Last changes" }) : null;
    if (!this.detail || store.shown !== null) {
      fill(this.facts, history ?? el("p", { class: "hint" }, "No change so far."));
      return;
    }
    const { detail } = this;
    const { metrics } = detail;
    const faults = detail.active_faults.map((fault) => fault.id + " (" + fault.kind + (fault.ends_in_s === undefined ? "" : ", ends in " + seconds(fault.ends_in_s)) + ")");
    const rows = [
      ["Behaviour", detail.behaviour + " " + detail.behaviour_version.slice(0, 12)],
      ["Runs since", detail.uptime_s === null ? "does not run" : seconds(detail.uptime_s)],
      ["Faults that act", faults.join(", ") || "none"],
      ["Published", count(metrics.generated)], ["Sent", count(metrics.sent)], ["Received", count(metrics.received)],
      ["Waiting", count(metrics.waiting.out)], ["Lost without a connection", count(metrics.lost_offline)],
      ["Dropped by faults", Object.entries(metrics.dropped).map(([fault, number]) => fault + " " + count(number)).join(", ") || "none"],
      ["Mean latency", seconds(metrics.avg_latency)], ["Traps", count(metrics.traps)],
    ];
    const own = Object.values(metrics.behaviours ?? {}).flatMap((values) => Object.entries(values)).map(([name, metric]) => [name, String(metric.value ?? metric.mean ?? metric.sum ?? "")]);
    fill(this.facts, table(["What", "Value"], [...rows, ...own], { label: "Facts" }), history);
  }
}

export function eventLine(event, kind, store) {
  const atS = store.timeOf(event);
  const message = event.topic === undefined ? event.message ?? event.reason : event.fault ? "by the fault " + event.fault : event.reason;
  const parts = [clock(atS), kind, event.topic, message, event.payload];
  return parts.filter((part) => part !== undefined && part !== null && part !== "").join("  ");
}

function recordedLines(store, name) {
  return store.events.filter((event) => event.device === name && event.t_s <= store.now).slice(-MAX_LINES).map((event) => eventLine(event, event.kind, store));
}
