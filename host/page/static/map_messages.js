// Messages that are drawn on the map as they travel, when there are few enough to be seen.

import { followEvents } from "./api.js";
import { el, fill } from "./dom.js";

// Above this rate, or with more devices, messages are not drawn.
const MAX_DRAWN_RATE = 300;
const MAX_DRAWN_DEVICES = 2000;
const MAX_FLIGHTS = 400;
const FLIGHT_MS = 700;
// A message whose publisher was seen less than this time ago comes from there.
const SENDER_MS = 5000;
const DRAWN_KINDS = ["sent", "received", "dropped"];

export class Flights {
  constructor(app, id, draw) {
    this.app = app;
    this.draw = draw;
    this.flights = [];
    this.draws = el("input", { type: "checkbox", id: id + "-draws", checked: !matchMedia("(prefers-reduced-motion: reduce)").matches, onchange: () => this.followMessages() });
    this.hint = el("span", { class: "hint" });
    this.element = el("span", { class: "row" }, el("label", {}, this.draws, " Messages"), this.hint);
  }

  close() {
    this.follow?.abort();
    this.isClosed = true;
  }

  followMessages() {
    this.follow?.abort();
    this.follow = null;
    this.senders = new Map();
    const { store } = this.app;
    if (!this.draws.checked || !store.isLive || this.tooMany() || this.isClosed) return;
    this.follow = new AbortController();
    followEvents("/events?kind=" + DRAWN_KINDS.join() + "&per_second=" + MAX_DRAWN_RATE, (kind, data) => this.takeMessage(kind, JSON.parse(data)), this.follow.signal).catch(() => {
      // The page as a whole says that the host does not answer.
    });
  }

  tooMany() {
    const { store } = this.app;
    const recent = store.recent(5);
    const rate = recent.span ? (recent.sent + recent.received) / recent.span : 0;
    return store.codes.length > MAX_DRAWN_DEVICES || rate > MAX_DRAWN_RATE;
  }

  update() {
    this.flyRecorded();
    if (!this.app.store.isLive || !this.draws.checked) return fill(this.hint);
    const isTooMany = this.tooMany();
    if (isTooMany && this.follow) {
      this.follow.abort();
      this.follow = null;
    } else if (!isTooMany && !this.follow) this.followMessages();
    fill(this.hint, isTooMany ? "too many to be drawn" : "");
  }

  takeMessage(kind, event) {
    const { store } = this.app;
    const position = store.positions.get(event.device);
    if (position === undefined || store.shown !== null || document.hidden) return;
    const now = performance.now();
    let from = null;
    if (kind === "sent") {
      this.senders.set(event.topic, [position, now]);
      if (this.senders.size > MAX_DRAWN_DEVICES) this.senders.delete(this.senders.keys().next().value);
    } else if (kind === "received") {
      const sender = this.senders.get(event.topic);
      if (sender && now - sender[1] < SENDER_MS) [from] = sender;
    }
    this.fly({ kind, from, to: position, start: now, lasting: FLIGHT_MS });
  }

  fly(flight) {
    if (this.flights.length >= MAX_FLIGHTS) this.flights.shift();
    this.flights.push(flight);
    this.draw();
  }

  // Messages of a recording, between the last moment and this one.
  flyRecorded() {
    const { store } = this.app;
    const last = this.flownUntil ?? store.now;
    this.flownUntil = store.now;
    if (store.isLive || !this.draws.checked || !store.events.length || store.now <= last || store.now - last > 5) return;
    const between = store.events.filter((event) => event.t_s > last && event.t_s <= store.now && DRAWN_KINDS.includes(event.kind)).slice(0, MAX_FLIGHTS / 4);
    for (const event of between) {
      const to = store.positions.get(event.device);
      if (to === undefined) continue;
      if (event.kind === "sent") this.senders.set(event.topic, [to, performance.now()]);
      const sender = event.kind === "received" ? this.senders.get(event.topic) : null;
      this.fly({ kind: event.kind, from: sender ? sender[0] : null, to, start: performance.now(), lasting: FLIGHT_MS });
    }
  }

  // The messages that are on their way at this time.
  onTheWay(now) {
    this.flights = this.flights.filter((flight) => now - flight.start < flight.lasting);
    return this.flights;
  }
}
