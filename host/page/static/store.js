// The recording of a run: states of all devices at any moment, samples and marks. Views read it and are told of changes.

import { STATES, codeOf } from "./format.js";

const STOPPED = 4;

export class Store {
  constructor() {
    this.listeners = new Set();
    this.load({ names: [], group_of: [], groups: [], links: [], layout: [], states: "", reasons: {}, changes: [], samples: [], marks: [], events: [] });
  }

  // Takes a whole recording. The moment that is shown stays, if the recording has it.
  load(recording) {
    const shown = this.shown ?? null;
    this.about = recording;
    this.names = recording.names;
    this.positions = new Map(this.names.map((name, position) => [name, position]));
    this.groupOf = Uint32Array.from(recording.group_of);
    this.groups = recording.groups;
    this.links = recording.links;
    this.layout = recording.layout;
    this.codes = new Uint8Array(this.names.length).fill(STOPPED);
    this.reasons = new Map(Object.entries(recording.reasons ?? {}).map(([at, reason]) => [Number(at), reason]));
    this.counts = STATES.map(() => 0);
    for (let at = 0; at < this.codes.length; at++) {
      this.codes[at] = codeOf(recording.states[at] ?? "d");
      this.counts[this.codes[at]]++;
    }
    this.changes = [];
    this.applied = 0;
    this.samples = recording.samples;
    this.marks = recording.marks;
    this.events = recording.events ?? [];
    this.fromS = recording.from_s;
    this.endS = recording.to_s;
    this.shown = null;
    this.revision = (this.revision ?? 0) + 1;
    this.addChanges(recording.changes);
    if (shown !== null && shown >= this.fromS) this.seek(shown);
    this.tell("load");
  }

  get isLive() {
    return Boolean(this.about.live);
  }

  // The moment that the views show.
  get now() {
    return this.shown ?? this.endS;
  }

  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(what) {
    for (const listener of this.listeners) listener(what);
  }

  addChanges(list) {
    for (const [atS, position, letter, reason] of list) {
      this.changes.push({ atS, position, code: codeOf(letter), reason: reason ?? null, oldCode: 0, oldReason: null });
      this.endS = Math.max(this.endS, atS);
    }
    if (this.shown === null) this.applyUntil(Infinity);
    if (list.length) this.tell("changes");
  }

  addSample(sample) {
    this.samples.push(sample);
    this.endS = Math.max(this.endS, sample.at_s);
    this.tell("sample");
  }

  addMark(mark) {
    this.marks.push(mark);
    this.tell("mark");
  }

  // Shows a moment; null follows the end.
  seek(atS) {
    this.shown = atS === null || atS >= this.endS ? null : Math.max(atS, this.fromS);
    this.applyUntil(this.shown ?? Infinity);
    this.tell("seek");
  }

  applyUntil(atS) {
    while (this.applied < this.changes.length && this.changes[this.applied].atS <= atS) {
      const change = this.changes[this.applied++];
      this.grow(change.position);
      change.oldCode = this.codes[change.position];
      change.oldReason = this.reasons.get(change.position) ?? null;
      this.put(change.position, change.code, change.reason);
    }
    while (this.applied > 0 && this.changes[this.applied - 1].atS > atS) {
      const change = this.changes[--this.applied];
      this.put(change.position, change.oldCode, change.oldReason);
    }
  }

  put(position, code, reason) {
    this.counts[this.codes[position]]--;
    this.counts[code]++;
    this.codes[position] = code;
    if (reason === null) this.reasons.delete(position);
    else this.reasons.set(position, reason);
  }

  // Devices can join a run that goes on; their names follow with the next whole recording.
  grow(position) {
    if (position < this.codes.length) return;
    const codes = new Uint8Array(position + 1).fill(STOPPED);
    codes.set(this.codes);
    this.counts[STOPPED] += codes.length - this.codes.length;
    this.codes = codes;
    this.needsReload = true;
  }

  nameOf(position) {
    return this.names[position] ?? "device " + position;
  }

  groupName(position) {
    return this.groups[this.groupOf[position]]?.name ?? "";
  }

  // The last sample up to the moment that is shown.
  get sample() {
    return this.samples[this.sampleIndex()] ?? null;
  }

  sampleIndex() {
    let [low, high] = [0, this.samples.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.samples[middle].at_s <= this.now + 1e-9) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  // Sums of the samples of the last seconds before the moment that is shown.
  recent(spanS) {
    const last = this.sampleIndex();
    const sums = { span: 0, generated: 0, sent: 0, received: 0, expected: null, lost: 0, refused: 0, traps: 0, dropped: new Map() };
    for (let at = last; at >= 0; at--) {
      const sample = this.samples[at];
      if (this.samples[last].at_s - sample.at_s >= spanS) break;
      sums.span += sample.span_s;
      for (const field of ["generated", "sent", "received", "refused", "traps"]) sums[field] += sample[field] ?? 0;
      if (sample.expected !== null && sample.expected !== undefined) sums.expected = (sums.expected ?? 0) + sample.expected;
      sums.lost += sample.lost_offline ?? 0;
      for (const [fault, number] of Object.entries(sample.dropped ?? {})) sums.dropped.set(fault, (sums.dropped.get(fault) ?? 0) + number);
    }
    return sums;
  }

  // Time of an event on the clock of the run: recorded events have it, and those of a running host have that of the calendar.
  timeOf(event) {
    return event.t_s ?? event.ts - (this.about.began_unix_s ?? 0);
  }

  // Changes of one device, in order.
  changesOf(position) {
    return this.changes.filter((change) => change.position === position);
  }

  // The first instant after this one at which something happens, to this device or to any.
  nextInstant(afterS, position) {
    const change = this.changes.find((it) => it.atS > afterS + 1e-6 && (position === null || it.position === position));
    const mark = this.marks.find((it) => it.at_s > afterS + 1e-6);
    const instants = [change?.atS, position === null ? mark?.at_s : undefined].filter((it) => it !== undefined);
    return instants.length ? Math.min(...instants) : null;
  }
}

// Sentences about what is wrong at the moment that is shown, the gravest first.
export function findProblems(store) {
  const problems = [];
  const total = store.codes.length;
  for (const code of [5, 3, 2, 1, STOPPED]) {
    if (store.counts[code] === 0) continue;
    const byReason = new Map();
    for (let at = 0; at < total; at++) {
      // A device that has not started yet is not wrong.
      if (store.codes[at] !== code || (code === STOPPED && !isStopped(store.reasons.get(at)))) continue;
      const key = (store.reasons.get(at) ?? "").replaceAll(store.nameOf(at), "…");
      const entry = byReason.get(key) ?? { number: 0, first: at };
      entry.number++;
      byReason.set(key, entry);
    }
    const reasons = [...byReason].sort((a, b) => b[1].number - a[1].number);
    for (const [reason, entry] of reasons.slice(0, 3)) {
      const who = entry.number === 1 ? store.nameOf(entry.first) + " is " : entry.number + " of " + total + " devices are ";
      problems.push({ text: who + STATES[code].name + (reason ? ": " + reason : "."), first: entry.first, code });
    }
    if (reasons.length > 3) problems.push({ text: (reasons.length - 3) + " more reasons for being " + STATES[code].name + ".", code });
  }
  problems.push(...messageProblems(store), ...flappingProblems(store));
  return problems;
}

function isStopped(reason) {
  return reason !== undefined && reason !== "not started yet";
}

function messageProblems(store) {
  const problems = [];
  const recent = store.recent(10);
  if (!recent.span) return problems;
  const perSecond = (number) => (number / recent.span).toFixed(number / recent.span < 10 ? 1 : 0) + " messages a second";
  for (const [fault, number] of [...recent.dropped].filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]).slice(0, 4)) {
    problems.push({ text: "The fault “" + fault + "” drops " + perSecond(number) + "." });
  }
  if (recent.lost) problems.push({ text: perSecond(recent.lost) + " are lost because their device has no connection." });
  if (recent.refused) problems.push({ text: perSecond(recent.refused) + " are refused, by the broker or by a full queue." });
  if (recent.traps) problems.push({ text: "Behaviours trapped " + recent.traps + " times in the last " + recent.span.toFixed(0) + " s." });
  if (recent.expected && recent.received < 0.95 * recent.expected && !recent.dropped.size) {
    problems.push({ text: (recent.expected - recent.received) + " of " + recent.expected + " expected receptions are missing." });
  }
  const lag = store.sample?.lag_s;
  if (lag > 0.1) {
    problems.push({ text: "This host is " + lag.toFixed(1) + " s late: it is busy, and measures itself rather than the broker. Run fewer devices." });
  }
  return problems;
}

// Devices that lose their connection again and again, as two clients with one name do.
function flappingProblems(store) {
  const numbers = new Map();
  const since = store.now - 30;
  for (let at = store.applied - 1; at >= 0 && store.changes[at].atS >= since; at--) {
    const change = store.changes[at];
    if (change.code !== 1 || change.oldCode !== 0) continue;
    const entry = numbers.get(change.position) ?? { number: 0, reason: change.reason };
    entry.number++;
    numbers.set(change.position, entry);
  }
  const again = [...numbers].filter(([, entry]) => entry.number >= 3).sort((a, b) => b[1].number - a[1].number);
  if (!again.length) return [];
  const [first, entry] = again[0];
  const who = again.length === 1 ? store.nameOf(first) : again.length + " devices, such as " + store.nameOf(first) + ",";
  const why = entry.reason ? " Last reason: " + entry.reason : "";
  return [{ text: who + " lost the connection " + entry.number + " times in 30 s. Two clients with the same name do that to each other." + why, first }];
}
