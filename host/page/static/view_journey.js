// The journey of one message: decisions of faults, when the broker took it, who got it, and who should have and did not.

import { getJson } from "./api.js";
import { el, fill, panel, table } from "./dom.js";
import { clock, seconds } from "./format.js";

const REFRESH_MS = 1000;
// Time for which a message that has not reached all is looked for again.
const REFRESH_FOR_S = 30;
const OUTCOMES = {
  received: { sign: "●", style: "state-c", text: "received" },
  partly: { sign: "◐", style: "state-s", text: "received in part" },
  waiting: { sign: "○", style: "state-o", text: "on its way" },
  lost: { sign: "✕", style: "state-x", text: "lost" },
  missing: { sign: "▲", style: "state-f", text: "missing" },
  unwanted: { sign: "■", style: "state-d", text: "nobody subscribed" },
};

// Address of the journey of a message.
export function journeyHash(id) {
  return "#messages/" + id.split("/").map(encodeURIComponent).join("/");
}

export class JourneyPanel {
  constructor(app) {
    this.app = app;
    this.id = null;
    this.input = el("input", { type: "text", id: "journey-id", spellcheck: "false", placeholder: "device/number" });
    this.body = el("div", { id: "journey", role: "region", "aria-live": "polite", "aria-label": "Journey of the message" });
    const form = el("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      this.open(this.input.value.trim());
    } }, el("label", {}, "Message ", this.input), el("button", { type: "submit", id: "journey-show" }, "Show its journey"));
    this.element = panel("One message’s journey", form, this.body);
    fill(this.body, el("p", { class: "hint" }, "Choose “journey” at a message below, or type its id."));
  }

  // Shows the journey of a message, and its address.
  open(id) {
    if (!/^.+\/\d+$/u.test(id)) return fill(this.body, el("p", { class: "hint" }, "The id of a message is the name of its device, a slash and a number, such as heartbeat-0/17."));
    if (location.hash !== journeyHash(id)) history.replaceState(null, "", journeyHash(id));
    this.show(id);
  }

  show(id) {
    if (id !== this.id) this.journey = null;
    this.id = id;
    this.input.value = id;
    this.load();
  }

  async load() {
    const { id } = this;
    this.loadedAt = performance.now();
    try {
      const journey = await this.fetchJourney(id);
      if (id !== this.id) return;
      const isSame = JSON.stringify(journey) === JSON.stringify(this.journey);
      this.journey = journey;
      if (!isSame) this.render();
    } catch (problem) {
      if (problem.status === 401) return this.app.act(() => this.load());
      this.journey = null;
      fill(this.body, el("p", { class: "hint" }, problem.message));
    }
  }

  // From this host, from the results folder that `experiment view` shows, or from the file of a replay.
  async fetchJourney(id) {
    const { store } = this.app;
    const at = id.lastIndexOf("/");
    const path = "/messages/" + encodeURIComponent(id.slice(0, at)) + "/" + encodeURIComponent(id.slice(at + 1));
    if (store.isLive) return getJson(path);
    const choice = document.getElementById("run-choice");
    if (choice && !this.app.embedded) return getJson("/runs/" + choice.value + path);
    const found = (store.about.journeys ?? []).find((journey) => journey.id === id);
    if (!found) throw new Error("This file has no journey of the message “" + id + "”. “wasmote experiment view” shows those of all recorded messages.");
    return found;
  }

  // Looks again while the message is on its way, and follows the moment that the page shows.
  update() {
    if (!this.journey) return;
    const isDue = performance.now() - this.loadedAt > REFRESH_MS;
    const isYoung = this.app.store.endS - (this.journey.published_s ?? 0) < REFRESH_FOR_S;
    const isOpen = this.journey.outcome === "waiting" || (this.journey.outcome === "partly" && isYoung);
    if (this.app.store.isLive && isDue && isOpen) this.load();
    else if (this.shownAt !== this.app.store.shown) this.render();
  }

  render() {
    const { journey } = this;
    const { store } = this.app;
    this.shownAt = store.shown;
    fill(this.body,
      el("p", { id: "journey-summary" }, outcomeSign(journey.outcome), " ", journey.summary),
      factsOf(journey),
      journey.receivers.length ? [el("h3", {}, "Who got it, and who did not"), receiversOf(journey, store)] : null,
      journey.others.length ? el("p", {}, "Other clients of the broker to which it was passed: " + journey.others.join(", ")) : null,
      el("h3", {}, "Step by step"),
      el("ol", { id: "journey-steps" }, journey.steps.map((step) => el("li", { class: isLater(step, store) ? "later" : null }, stepText(step, journey), isLater(step, store) ? " (after the moment that is shown)" : ""))),
      journey.unknown.length ? [el("h3", {}, "Not known"), el("ul", {}, journey.unknown.map((text) => el("li", {}, text)))] : null);
  }
}

function isLater(step, store) {
  return store.shown !== null && step.t_s > store.shown;
}

function outcomeSign(outcome) {
  const { sign, style, text } = OUTCOMES[outcome] ?? { sign: "?", style: "state-d", text: outcome };
  return el("span", { class: "state " + style }, el("span", { "aria-hidden": "true" }, sign), " " + text);
}

function factsOf(journey) {
  const published = journey.published_s === undefined ? "not known" : clock(journey.published_s) + " by " + journey.device;
  const size = journey.payload_bytes === undefined ? "" : " (" + journey.payload_bytes + " B)";
  const rows = [
    ["Topic", journey.topic ?? "not known"],
    ["Published", published + (journey.qos === undefined ? "" : ", QoS " + journey.qos)],
    ["Payload", journey.payload === undefined ? "not known" : journey.payload + size],
    ["Broker", (journey.broker_s === undefined ? "" : clock(journey.broker_s) + sincePublished(journey.broker_s, journey) + ": ") + journey.broker],
  ];
  return el("dl", { class: "facts" }, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function receiversOf(journey, store) {
  const rows = journey.receivers.map((receiver) => [
    store.positions.has(receiver.device) ? el("a", { href: "#device/" + encodeURIComponent(receiver.device) }, receiver.device) : receiver.device,
    outcomeSign(receiver.outcome),
    receiver.at_s === undefined ? "" : clock(receiver.at_s),
    receiver.latency_s === undefined ? "" : seconds(receiver.latency_s),
    receiver.copies > 1 ? receiver.copies + " copies" : "",
    receiver.reason ?? (receiver.expected ? "" : "it was not subscribed when the message was published"),
  ]);
  return table(["Device", "Outcome", "At", "Latency", "Copies", "Why"], rows, { label: "Receivers", numbers: [3] });
}

function sincePublished(atS, journey) {
  if (journey.published_s === undefined) return "";
  return " (+" + seconds(Math.max(0, atS - journey.published_s)) + ")";
}

function stepText(step, journey) {
  return clock(step.t_s) + sincePublished(step.t_s, journey) + "  " + whatHappened(step);
}

function whatHappened(step) {
  const who = step.device ?? step.client ?? "";
  if (step.step === "judged") return decisionText(step, who);
  const reason = step.reason ? ": " + step.reason : "";
  const key = step.place + " " + step.step;
  const texts = {
    "publisher published": who + " publishes it",
    "publisher queued": "it waits for the connection of " + who,
    "publisher sent": who + " passes it to its connection",
    "publisher returned": "the connection of " + who + " ended before the broker acknowledged it; it is sent again",
    "publisher acknowledged": "the broker acknowledges it to " + who,
    "broker taken": "the broker takes it; " + (step.number ?? 0) + " subscriptions match",
    "broker refused": "the broker refuses it" + reason,
    "broker queued": "the broker keeps a copy for " + who + ", which has no connection",
    "broker sent": "the broker sends a copy to " + who,
    "broker dropped": "the broker drops the copy for " + who + reason,
    "receiver arrived": "it arrives at " + who,
    "receiver deferred": "it waits at " + who + ", whose behaviour hangs or is paused",
    "receiver received": who + " receives it" + (step.retain ? ", as a retained message" : ""),
  };
  if (texts[key]) return texts[key];
  return "it is lost at " + who + reason;
}

function decisionText(step, who) {
  const decided = {
    passed: "lets it pass",
    dropped: "drops it",
    delayed: "delays it by " + seconds(step.delay_s),
    duplicated: "adds " + step.number + (step.number === 1 ? " copy" : " copies") + (step.delay_s ? ", " + seconds(step.delay_s) + " apart" : ""),
    corrupted: "changes " + step.number + " bytes of it",
    held_back: "holds it back until " + step.number + " others have passed, for at most " + seconds(step.delay_s),
  };
  const kind = step.fault_kind === step.fault ? "" : " (" + step.fault_kind + ")";
  const side = step.place === "publisher" ? " on its way out of " : " on its way into ";
  return "the fault “" + step.fault + "”" + kind + " " + (decided[step.decision] ?? step.decision) + side + who + (step.why ? ": " + step.why : "");
}
