// A tail of the messages, filtered as MQTT filters topics.

import { followEvents } from "./api.js";
import { el, fill, notice, panel, visible } from "./dom.js";
import { clock } from "./format.js";
import { fromBase64, showPayload } from "./payload.js";
import { filterProblem, topicMatches } from "./topics.js";
import { JourneyPanel, journeyHash } from "./view_journey.js";

const MAX_MESSAGES = 500;
const KINDS = ["sent", "received", "dropped", "refused"];

export class MessagesView {
  constructor(app) {
    this.app = app;
    this.messages = [];
    this.missed = 0;
    this.filter = el("input", { type: "text", id: "topic-filter", value: "#", spellcheck: "false", onchange: () => this.restart() });
    this.kind = el("select", { id: "message-kind", "aria-label": "Kind", onchange: () => this.restart() }, [["", "sent, received, lost"], ...KINDS.map((kind) => [kind, kind])].map(([value, text]) => el("option", { value }, text)));
    this.how = el("select", { id: "payload-format", "aria-label": "Payload as", onchange: () => this.update() }, [["auto", "as it is"], ["json", "JSON"], ["text", "text"], ["cbor", "CBOR"], ["hex", "hexadecimal"]].map(([value, text]) => el("option", { value }, text)));
    this.pause = el("button", { id: "pause", "aria-pressed": "false", onclick: () => this.toggle() }, "Pause");
    this.problem = el("p", { class: "hint", role: "status" });
    // The list is drawn again while a button is held, so a link follows the press.
    this.list = el("pre", { id: "messages", role: "region", tabindex: "0", "aria-label": "Messages", onpointerdown: (event) => {
      const link = event.target.closest?.("a");
      if (link && event.button === 0) location.hash = link.hash;
    } });
    this.journey = new JourneyPanel(app);
    this.element = el("div", { class: "view" }, this.journey.element, panel("Messages", el("div", { class: "row" }, el("label", {}, "Topic filter ", this.filter), this.kind,
      el("label", {}, "Payload ", this.how), this.pause, el("button", { id: "messages-clear", onclick: () => this.clear() }, "Clear")), this.problem, this.list));
    this.restart();
  }

  close() {
    this.follow?.abort();
  }

  clear() {
    [this.messages, this.missed] = [[], 0];
    this.update();
  }

  toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    this.pause.textContent = this.paused ? "Go on" : "Pause";
  }

  restart() {
    this.follow?.abort();
    const problem = filterProblem(this.filter.value);
    if (problem) return notice("The topic filter is not valid: " + problem);
    this.clear();
    if (!this.app.store.isLive) return;
    this.follow = new AbortController();
    const query = new URLSearchParams({ kind: this.kind.value || KINDS.join(","), topic: this.filter.value, payload: "base64", per_second: String(MAX_MESSAGES) });
    followEvents("/events?" + query, (kind, data) => this.take(kind, JSON.parse(data)), this.follow.signal)
      .catch((problem) => problem.name !== "AbortError" && this.app.report(problem));
  }

  take(kind, event) {
    if (this.paused) return;
    if (kind === "lagged") this.missed += event.missed;
    else this.messages.push({ kind, event });
    if (this.messages.length > MAX_MESSAGES) this.messages.splice(0, this.messages.length - MAX_MESSAGES);
    this.taken = (this.taken ?? 0) + 1;
    this.app.redraw();
  }

  recorded() {
    const { store } = this.app;
    const kinds = this.kind.value ? [this.kind.value] : KINDS;
    const wanted = store.events.filter((event) => event.t_s <= store.now && event.topic !== undefined && kinds.includes(event.kind) && topicMatches(this.filter.value, event.topic));
    return wanted.slice(-MAX_MESSAGES).map((event) => ({ kind: event.kind, event }));
  }

  update() {
    const { store } = this.app;
    this.journey.update();
    const key = [this.taken, this.missed, this.messages.length, this.how.value, store.isLive || store.now, store.revision, this.filter.value, this.kind.value].join();
    if (key === this.shownKey) return;
    this.shownKey = key;
    const messages = store.isLive ? this.messages : this.recorded();
    const missed = this.missed ? this.missed + " messages came too fast for this page and are not shown. " : "";
    fill(this.problem, missed + (messages.length ? messages.length + " shown, the latest first." : "No message matches so far."));
    const lines = messages.slice(-200).reverse().map(({ kind, event }) => this.line(kind, event));
    fill(this.list, lines);
  }

  line(kind, event) {
    const { store } = this.app;
    const atS = store.timeOf(event);
    const bytes = event.payload_base64 !== undefined ? fromBase64(event.payload_base64) : new TextEncoder().encode(event.payload ?? "");
    const payload = showPayload(bytes, this.how.value);
    const latency = event.latency_s === undefined || event.latency_s === null ? "" : " after " + (event.latency_s * 1000).toFixed(0) + " ms";
    const cause = event.fault ? " by the fault " + event.fault : event.reason ? ": " + event.reason : "";
    const size = event.payload_bytes === undefined ? "" : " (" + event.payload_bytes + " B)";
    const head = clock(atS) + "  " + kind.padEnd(8) + "  " + (event.device ?? "") + "  " + visible(event.topic ?? "") + latency + cause + size;
    const journey = event.message_id ? ["  ", el("a", { href: journeyHash(event.message_id), "aria-label": "Journey of the message " + event.message_id }, "journey")] : null;
    return [head, journey, "\n    " + payload.split("\n").join("\n    ") + "\n"];
  }
}
