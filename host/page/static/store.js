// The recording of a run: states of all devices at any moment, samples and marks. Views read it and are told of changes.
// States are columns of numbers, so that a fleet of 100,000 devices costs little at each change.

import { ChangeLog } from "./change_log.js";
import { STATES, codeOf } from "./format.js";

const STOPPED = 4;
// As many as the host keeps.
const MAX_SAMPLES = 3600;
const MAX_CHANGES = 200000;
const MAX_MARKS = 5000;
// Stands for the name of the device in a reason, so that equal reasons of many devices are one.
const OWN_NAME = "\u0001";

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
    this.reasonTexts = [null];
    this.reasonNumbers = new Map();
    this.reasonIds = new Uint32Array(this.names.length);
    this.since = new Float64Array(this.names.length).fill(recording.from_s ?? 0);
    this.counts = STATES.map(() => 0);
    this.tally = new Map();
    for (let at = 0; at < this.codes.length; at++) {
      this.codes[at] = codeOf(recording.states[at] ?? "d");
      this.reasonIds[at] = this.reasonNumber(at, recording.reasons?.[at]);
      this.counts[this.codes[at]]++;
      this.addToTally(this.codes[at], this.reasonIds[at], 1);
    }
    this.changes = new ChangeLog();
    this.applied = 0;
    this.samples = recording.samples;
    this.marks = recording.marks;
    this.events = recording.events ?? [];
    this.faults = null;
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
      this.changes.push(atS, position, codeOf(letter), this.reasonNumber(position, reason));
      if (atS > this.endS) this.endS = atS;
    }
    if (this.shown === null) this.applyUntil(Infinity);
    this.forget();
    if (list.length) this.tell("changes");
  }

  // Keeps as much as the host does, so that a page that is open for days takes no more memory.
  forget() {
    const excess = Math.min(this.changes.length - MAX_CHANGES, this.applied);
    if (excess <= 0) return;
    const dropped = Math.min(this.applied, excess + MAX_CHANGES / 10);
    this.fromS = Math.max(this.fromS, this.changes.at[dropped - 1]);
    this.changes.dropFirst(dropped);
    this.applied -= dropped;
  }

  addSample(sample) {
    this.samples.push(sample);
    if (this.samples.length > MAX_SAMPLES + 60) this.samples.splice(0, this.samples.length - MAX_SAMPLES);
    this.endS = Math.max(this.endS, sample.at_s);
    this.tell("sample");
  }

  addMark(mark) {
    this.marks.push(mark);
    if (this.marks.length > MAX_MARKS) this.marks.splice(0, this.marks.length - MAX_MARKS);
    this.tell("mark");
  }

  // Shows a moment; null follows the end.
  seek(atS) {
    this.shown = atS === null || atS >= this.endS ? null : Math.max(atS, this.fromS);
    this.applyUntil(this.shown ?? Infinity);
    this.tell("seek");
  }

  applyUntil(atS) {
    const { changes } = this;
    while (this.applied < changes.length && changes.at[this.applied] <= atS) {
      const at = this.applied++;
      const position = changes.position[at];
      this.grow(position);
      changes.oldCode[at] = this.codes[position];
      changes.oldReason[at] = this.reasonIds[position];
      changes.oldSince[at] = this.since[position];
      this.put(position, changes.code[at], changes.reason[at], changes.code[at] === this.codes[position] ? this.since[position] : changes.at[at]);
    }
    while (this.applied > 0 && changes.at[this.applied - 1] > atS) {
      const at = --this.applied;
      this.put(changes.position[at], changes.oldCode[at], changes.oldReason[at], changes.oldSince[at]);
    }
  }

  put(position, code, reason, since) {
    const before = this.codes[position];
    this.counts[before]--;
    this.counts[code]++;
    this.addToTally(before, this.reasonIds[position], -1);
    this.addToTally(code, reason, 1);
    this.codes[position] = code;
    this.reasonIds[position] = reason;
    this.since[position] = since;
  }

  // Numbers of devices by state and reason.
  addToTally(code, reason, number) {
    const key = reason * STATES.length + code;
    const sum = (this.tally.get(key) ?? 0) + number;
    if (sum) this.tally.set(key, sum);
    else this.tally.delete(key);
  }

  // The states and reasons that devices have, with their numbers, for one state the most frequent first.
  reasonsOf(code) {
    const found = [];
    for (const [key, number] of this.tally) {
      if (key % STATES.length === code) found.push({ reason: Math.floor(key / STATES.length), number });
    }
    return found.sort((a, b) => b.number - a.number);
  }

  // Devices in a state for one of these reasons: the number, the first, the groups, and the earliest time of the state.
  devicesWith(code, reasons) {
    const found = { number: 0, first: null, sinceS: Infinity, groups: new Map() };
    for (let at = 0; at < this.codes.length; at++) {
      if (this.codes[at] !== code || !reasons.has(this.reasonIds[at])) continue;
      found.first ??= at;
      found.number++;
      if (this.since[at] < found.sinceS) found.sinceS = this.since[at];
      found.groups.set(this.groupOf[at], (found.groups.get(this.groupOf[at]) ?? 0) + 1);
    }
    return found;
  }

  reasonNumber(position, reason) {
    if (reason === null || reason === undefined) return 0;
    const name = this.names[position] ?? "";
    const text = name.length > 3 ? reason.replaceAll(name, OWN_NAME) : reason;
    let number = this.reasonNumbers.get(text);
    if (number === undefined) {
      number = this.reasonTexts.push(text) - 1;
      this.reasonNumbers.set(text, number);
    }
    return number;
  }

  // A reason as text, for one device or for many.
  reasonText(number, position) {
    const text = this.reasonTexts[number];
    return text === null ? null : text.replaceAll(OWN_NAME, position === undefined ? "…" : this.nameOf(position));
  }

  reasonOf(position) {
    return this.reasonText(this.reasonIds[position], position);
  }

  // Devices can join a run that goes on; their names follow with the next whole recording.
  grow(position) {
    if (position < this.codes.length) return;
    const grown = (column, fill) => {
      const larger = new column.constructor(position + 1).fill(fill);
      larger.set(column);
      return larger;
    };
    const added = position + 1 - this.codes.length;
    this.counts[STOPPED] += added;
    this.addToTally(STOPPED, 0, added);
    this.codes = grown(this.codes, STOPPED);
    this.reasonIds = grown(this.reasonIds, 0);
    this.since = grown(this.since, this.endS);
    this.needsReload = true;
  }

  nameOf(position) {
    return this.names[position] ?? "device " + position;
  }

  groupName(position) {
    return this.groups[this.groupOf[position]]?.name ?? "";
  }

  // Positions of the devices of a group.
  membersOf(group) {
    const number = this.groups.findIndex((it) => it.name === group);
    const members = [];
    for (let at = 0; at < this.groupOf.length; at++) if (this.groupOf[at] === number) members.push(at);
    return members;
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

  // Time since which samples have had a quality, with pauses of at most some seconds in between.
  sinceWhen(has, pauseS) {
    let [since, seen] = [null, this.now];
    for (let at = this.sampleIndex(); at >= 0 && seen - this.samples[at].at_s <= pauseS; at--) {
      if (has(this.samples[at])) [since, seen] = [this.samples[at].at_s - this.samples[at].span_s, this.samples[at].at_s];
    }
    return since === null ? null : Math.max(since, 0);
  }

  // Time of an event on the clock of the run: recorded events have it, and those of a running host have that of the calendar.
  timeOf(event) {
    return event.t_s ?? event.ts - (this.about.began_unix_s ?? 0);
  }

  // Changes of one device, in order.
  changesOf(position) {
    const { changes } = this;
    const found = [];
    for (let at = 0; at < changes.length; at++) {
      if (changes.position[at] === position) found.push(this.change(at));
    }
    return found;
  }

  change(at) {
    const { changes } = this;
    const position = changes.position[at];
    return { atS: changes.at[at], position, code: changes.code[at], reason: this.reasonText(changes.reason[at], position), oldCode: changes.oldCode[at] };
  }

  // The first instant after this one at which something happens, to this device or to any.
  nextInstant(afterS, position) {
    const { changes } = this;
    let at = changes.countUntil(afterS + 1e-6);
    while (at < changes.length && position !== null && changes.position[at] !== position) at++;
    const mark = position === null ? this.marks.find((it) => it.at_s > afterS + 1e-6) : undefined;
    const instants = [at < changes.length ? changes.at[at] : undefined, mark?.at_s].filter((it) => it !== undefined);
    return instants.length ? Math.min(...instants) : null;
  }
}
