// What is wrong at the moment that is shown, as sentences: who, since when, the likely cause, and what to do about it.
// Each problem has a title, a time since which it lasts, a cause, advice, and buttons: a device, a state, or a view.

import { STATES, clock, count, plural } from "./format.js";

const CODE = Object.fromEntries(STATES.map((state, code) => [state.name, code]));
const MAX_NAMES = 3;
// Pauses of this length within a problem do not end it.
const PAUSE_S = 5;
const FLAPPING_S = 120;
const MAX_REASONS = 3;

// Kinds of reasons for which a device has no connection, with the likely cause and a remedy.
const OFFLINE_KINDS = [
  { name: "doubled", matches: /same client id|another client|taken over/i },
  { name: "denied", matches: /not authori[sz]ed|CONNACK 0x8[67]|bad user|user name or password|banned|client identifier not valid/i,
    title: "The broker denies access", cause: "It answers, and accepts neither the name nor the password of the devices.",
    advice: "Check the user, the password and the access rules of the broker for these client ids." },
  { name: "tls", matches: /\bTLS\b|certificate/i,
    title: "No secure connection with the broker", cause: "TLS fails before MQTT begins.", advice: "Check the certificates, the name in them, and whether this port speaks TLS." },
  { name: "name", matches: /resolve|name or service|lookup/i,
    title: "The name of the broker is not known", cause: "The name does not lead to an address.", advice: "Check the host name and the name server." },
  { name: "silent", matches: /did not answer|no answer from/i,
    title: "The broker does not answer", cause: "It takes connections and sends nothing back: its process is stopped or overloaded, or the network swallows the packets.",
    advice: "Look at the process and the log of the broker, and at a firewall on the way. The devices try again by themselves." },
  { name: "refused", matches: /refused|no connection with|unreachable|no route/i,
    title: "The broker is not there", cause: "Nothing accepts connections at this address: the broker is not running, or listens elsewhere.",
    advice: "Start the broker, or check its host and port. The devices try again by themselves." },
  { name: "closed", matches: /closed the connection|connection reset|broken pipe/i,
    title: "The broker closes connections", cause: "It ends connections that it had accepted: it restarts, it enforces a limit, or something on the way does.",
    advice: "The log of the broker says why." },
];

export function findProblems(store) {
  const offline = offlineProblems(store);
  return [
    ...offline.filter((it) => it.isBroker),
    ...unansweredProblems(store, offline),
    ...faultProblems(store),
    ...trapProblems(store),
    ...doubledProblems(store),
    ...offline.filter((it) => !it.isBroker),
    ...powerProblems(store),
    ...lossProblems(store, offline),
    ...hostProblems(store),
  ].map(withQuotes);
}

// The host quotes names as in Markdown.
function withQuotes(problem) {
  const quoted = (text) => (text ? text.replace(/`([^`]*)`/g, "“$1”") : text);
  return { ...problem, title: quoted(problem.title), evidence: quoted(problem.evidence) };
}

// The faults in force are known for the present moment only.
function faultsNow(store) {
  return store.shown === null ? store.faults : null;
}

// Names of devices: one, or a number with the group.
function who(store, found) {
  const total = store.codes.length;
  if (found.number === 1) return store.nameOf(found.first) + " is";
  const isAll = found.number === total;
  const groups = [...found.groups];
  const of = groups.length === 1 && store.groups.length > 1 ? " of group " + store.groups[groups[0][0]]?.name : "";
  return (isAll ? "All " + count(total) + " devices" : count(found.number) + " of " + count(total) + " devices") + (isAll ? "" : of) + " are";
}

function perSecond(store, value) {
  const recent = store.recent(5);
  const rate = recent.span ? value(recent) / recent.span : 0;
  return rate < 10 ? rate.toFixed(1) : count(rate);
}

function offlineProblems(store) {
  const byKind = new Map();
  for (const { reason } of store.reasonsOf(CODE.offline)) {
    const text = store.reasonText(reason) ?? "";
    const kind = OFFLINE_KINDS.find((it) => it.matches.test(text))?.name ?? "other:" + text;
    if (kind === "doubled") continue;
    byKind.set(kind, [...(byKind.get(kind) ?? []), reason]);
  }
  const broker = store.about.broker ? " at " + store.about.broker : "";
  return [...byKind].slice(0, MAX_REASONS).map(([name, reasons]) => {
    const found = store.devicesWith(CODE.offline, new Set(reasons));
    const kind = OFFLINE_KINDS.find((it) => it.name === name);
    const said = store.reasonText(reasons[0], found.number === 1 ? found.first : undefined);
    const isBroker = Boolean(kind) && found.number >= Math.max(1, store.codes.length / 2);
    const own = faultsNow(store)?.find((fault) => fault.plane === "broker");
    const about = { sinceS: found.sinceS, first: found.first, letter: "o", number: found.number };
    if (!kind) {
      const connecting = said === "connecting" || said === "";
      return { ...about, title: who(store, found) + (connecting ? " connecting." : " offline: " + said), isBroker: false };
    }
    const title = isBroker ? kind.title.replace("The broker", "The broker" + broker) + ": " + lower(who(store, found)) + " offline." : who(store, found) + " offline: " + said + ".";
    return { ...about, isBroker, title, evidence: isBroker && said ? "The devices say: “" + said + "”." : null,
      cause: own && isBroker ? "The fault “" + own.id + "” (" + own.kind + ") stops the broker from time to time, on purpose." : kind.cause,
      advice: own && isBroker ? "Remove it under Faults." : kind.advice, goto: own && isBroker ? "faults" : null };
  });
}

function lower(text) {
  return text.startsWith("All ") ? "a" + text.slice(1) : text;
}

// Devices that still count as connected, while nothing comes back from the broker.
function unansweredProblems(store, offline) {
  const sample = store.sample;
  if (!sample || offline.some((it) => it.isBroker)) return [];
  const connected = store.counts[CODE.connected];
  const broker = store.about.broker ? " at " + store.about.broker : "";
  const silence = silentSince(store);
  const late = sample.unanswered ?? 0;
  if (late === 0 && silence === null) return [];
  const isMost = late >= connected / 2;
  const sinceS = Math.min(silence ?? Infinity, late ? sample.at_s - (sample.unanswered_s ?? 0) : Infinity);
  const evidence = late ? plural(late, "connected device") + " of " + count(connected) + " had no answer to a ping for up to " + sample.unanswered_s.toFixed(0) + " s."
    : perSecond(store, (it) => it.generated) + " messages a second are published, and nothing comes back.";
  const isFew = late > 0 && !isMost && silence === null;
  return [{
    title: isFew ? "The broker" + broker + " does not answer some devices." : "The broker" + broker + " does not answer, although " + plural(connected, "device") + (connected === 1 ? " counts" : " count") + " as connected.",
    sinceS, evidence,
    cause: isFew ? "Their connections are dead, and neither end has noticed: a fault, a router or a firewall dropped them." : "Its process is stopped or overloaded, or the network swallows the packets.",
    advice: isFew ? "They notice after their keepalive, and connect again." : "Look at the process and the log of the broker. The devices notice after their keepalive.",
  }];
}

// The time since which messages are published and none comes back, if many came back before.
function silentSince(store) {
  const last = store.sampleIndex();
  let [at, published] = [last, 0];
  while (at >= 0 && comesBack(store.samples[at]) === 0) published += store.samples[at--].generated;
  const quiet = last - at;
  if (quiet < 3 || at < 2 || published < 3) return null;
  let [before, span] = [0, 0];
  for (let earlier = at; earlier >= 0 && earlier > at - 20; earlier--) {
    before += comesBack(store.samples[earlier]);
    span += store.samples[earlier].span_s;
  }
  const isUp = store.counts[CODE.connected] > 0 && (store.samples[last].up ?? 0) > 0;
  const dropsAll = [...store.recent(5).dropped.values()].some((number) => number > 0);
  // So much would have come in the meantime that its absence is no accident.
  const wanted = (before / Math.max(span, 1)) * quiet;
  return isUp && !dropsAll && wanted >= 8 ? store.samples[at].at_s : null;
}

function comesBack(sample) {
  return sample.received ?? 0;
}

// Faults that drop messages now.
function faultProblems(store) {
  const recent = store.recent(5);
  const dropping = [...recent.dropped].filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]);
  return dropping.slice(0, 5).map(([id, number]) => {
    const fault = faultsNow(store)?.find((it) => it.id === id);
    const rate = number / recent.span;
    const drops = (rate < 10 ? rate.toFixed(1) : count(rate)) + " messages a second";
    const sinceS = store.sinceWhen((sample) => sample.dropped?.[id] > 0, PAUSE_S);
    const advice = fault ? "It is a fault of this simulation. Remove “" + id + "” under Faults to end it." : null;
    if (fault?.kind === "partition") return { ...partition(store, fault, drops), sinceS, advice, goto: "faults", scope: fault.scope };
    const kind = fault && fault.kind !== id ? " (" + fault.kind + ")" : "";
    return { title: "The fault “" + id + "”" + kind + " drops " + drops + (fault ? " of " + fault.targetText : "") + ".", sinceS, advice, goto: "faults", scope: fault?.scope, first: fault?.first };
  });
}

function partition(store, fault, drops) {
  const cut = fault.targetText;
  const ways = { out: "that they publish ", in: "for them " }[fault.direction] ?? "";
  if (fault.peers) {
    return { title: "The partition “" + fault.id + "” cuts " + cut + " off from " + fault.peers.join(", ") + ".",
      cause: "The connections to the broker stay up, and " + drops + " " + ways + "between the two sides are dropped.", first: fault.first };
  }
  return { title: "The partition “" + fault.id + "” cuts " + cut + " off from the broker.",
    cause: "The connections stay up, so these devices count as connected, and " + drops + " " + ways + "are dropped.", first: fault.first };
}

function trapProblems(store) {
  const traps = new Map();
  const fromS = store.now - FLAPPING_S;
  const { changes } = store;
  for (let at = store.applied - 1; at >= 0 && changes.at[at] >= fromS; at--) {
    if (changes.code[at] !== CODE.crashed || !isTrap(store.reasonText(changes.reason[at]))) continue;
    const group = store.groupOf[changes.position[at]];
    const entry = traps.get(group) ?? { number: 0, devices: new Set(), firstS: 0, reason: changes.reason[at], first: changes.position[at] };
    entry.number++;
    entry.devices.add(changes.position[at]);
    entry.firstS = changes.at[at];
    traps.set(group, entry);
  }
  const sinceS = store.sinceWhen((sample) => sample.traps > 0, 60);
  const recent = store.recent(60);
  const problems = [...traps].slice(0, 4).map(([number, entry]) => {
    const group = store.groups[number] ?? { name: "", behaviour: "" };
    const all = store.groupOf.reduce((sum, it) => sum + (it === number ? 1 : 0), 0);
    const on = entry.devices.size === 1 ? "on " + store.nameOf(entry.first) : "on " + count(entry.devices.size) + " of " + plural(all, "device") + " of group " + group.name;
    return {
      title: "The behaviour " + group.behaviour + " traps " + on + ": its code fails.", sinceS: Math.min(entry.firstS, sinceS ?? Infinity),
      evidence: plural(entry.number, "time") + " in the last " + FLAPPING_S / 60 + " minutes, the last time: “" + store.reasonText(entry.reason, entry.first) + "”.",
      cause: "The component ran into an error of its own, such as a panic, or exceeded a limit. Each device starts again after a pause that grows.",
      advice: "Mend the component and drop the new version under Behaviours, or roll back to the version before.",
      first: entry.first, letter: store.counts[CODE.crashed] ? "x" : null, goto: "behaviours",
    };
  });
  if (!problems.length && recent.traps > 0) {
    problems.push({ title: "Behaviours trapped " + plural(recent.traps, "time") + " in the last " + recent.span.toFixed(0) + " s.", sinceS,
      advice: "The log of the devices has the reason.", goto: "behaviours" });
  }
  return problems;
}

function isTrap(reason) {
  return reason !== null && reason !== "crashed" && !/battery/.test(reason);
}

// Devices that lose their connection again and again to another client with their client id.
function doubledProblems(store) {
  const { changes } = store;
  const losses = new Map();
  for (let at = store.applied - 1; at >= 0 && changes.at[at] >= store.now - FLAPPING_S; at--) {
    if (changes.code[at] !== CODE.offline) continue;
    const position = changes.position[at];
    const text = store.reasonText(changes.reason[at]) ?? "";
    const says = OFFLINE_KINDS[0].matches.test(text);
    if (changes.oldCode[at] !== CODE.connected && !says) continue;
    const entry = losses.get(position) ?? { number: 0, says: false, firstS: 0 };
    entry.number += changes.oldCode[at] === CODE.connected ? 1 : 0;
    entry.says ||= says;
    entry.firstS = changes.at[at];
    losses.set(position, entry);
  }
  // A device that waits longer than this between two attempts still has the reason.
  for (const { reason } of store.reasonsOf(CODE.offline)) {
    if (!OFFLINE_KINDS[0].matches.test(store.reasonText(reason) ?? "")) continue;
    for (let at = 0; at < store.codes.length; at++) {
      if (store.codes[at] === CODE.offline && store.reasonIds[at] === reason && !losses.has(at)) losses.set(at, { number: 1, says: true, firstS: store.since[at] });
    }
  }
  const again = [...losses].filter(([, entry]) => entry.says || entry.number >= 3).sort((a, b) => b[1].says - a[1].says || b[1].number - a[1].number);
  if (!again.length) return [];
  const [first, entry] = again[0];
  const names = again.slice(0, MAX_NAMES).map(([position]) => store.nameOf(position)).join(", ") + (again.length > MAX_NAMES ? " and " + count(again.length - MAX_NAMES) + " more" : "");
  const sinceS = Math.min(...again.slice(0, 1000).map(([, it]) => it.firstS));
  const many = again.length > 1;
  const text = entry.says ? "Another client uses the client id" + (many ? "s" : "") + " of " + names + ", and they throw each other out of the broker."
    : names + (many ? " lose their connections" : " loses its connection") + " again and again, as two clients with one client id do.";
  return [{
    title: text, sinceS, first, letter: "o",
    evidence: store.nameOf(first) + " lost its connection " + plural(Math.max(entry.number, 1), "time") + " in the last " + FLAPPING_S / 60 + " minutes" + (store.reasonOf(first) ? ", the last time: “" + store.reasonOf(first) + "”." : "."),
    cause: "A broker lets each client id in once, and ends the older connection. " + (many && again.length > store.codes.length / 2 ? "A second fleet with the same names seems to run." : "A second fleet, another shard or a tool seems to use the same name."),
    advice: "Look in the log of the broker for two addresses with “" + store.nameOf(first) + "”. Stop one of them, or give this fleet other names (--group, --device-id or --client-id).",
  }];
}

function powerProblems(store) {
  const problems = [];
  const add = (code, sentence) => {
    for (const { reason } of store.reasonsOf(code).slice(0, MAX_REASONS)) {
      const text = store.reasonText(reason);
      if (code === CODE.crashed && isTrap(text)) continue;
      if (code === CODE.stopped && (text === null || text === "not started yet")) continue;
      const found = store.devicesWith(code, new Set([reason]));
      problems.push({ first: found.first, letter: STATES[code].letter, sinceS: found.sinceS, ...sentence(who(store, found), store.reasonText(reason, found.number === 1 ? found.first : undefined)) });
    }
  };
  add(CODE.failed, (devices, reason) => ({ title: devices.replace(/ (is|are)$/, "") + " failed to start: " + (reason ?? "the behaviour refused to start") + ".", cause: "The behaviour refused to start, mostly because of its configuration.",
    advice: "Correct the configuration of the group, or roll out another version.", goto: "behaviours" }));
  add(CODE.silent, (devices, reason) => ({ title: devices + " silent: " + (reason ?? "a fault pauses them") + ".", cause: "Their MQTT clients read and write nothing, and their sockets stay open. The broker ends such a session after one and a half keepalives and publishes the will.",
    advice: "It is a fault of this simulation; remove it under Faults.", goto: "faults" }));
  add(CODE.crashed, (devices, reason) => ({ title: devices + (/battery/.test(reason ?? "") ? " without power: " + reason : " crashed") + ".", cause: "They lost their power, by a fault or by hand, and start again by themselves." }));
  add(CODE.stopped, (devices, reason) => ({ title: devices + (/battery/.test(reason ?? "") ? " dead: " + reason : " stopped" + (reason && reason !== "stopped" ? ": " + reason : "")) + ".",
    advice: "“Start” on the page of the device, or of a selection on the map, starts them." }));
  return problems;
}

function lossProblems(store, offline) {
  const recent = store.recent(5);
  const problems = [];
  if (!recent.span) return problems;
  if (recent.lost) {
    const last = { sinceS: store.sinceWhen((sample) => sample.lost_offline > 0, PAUSE_S), title: perSecond(store, (it) => it.lost) + " messages a second are lost because their device has no connection." };
    problems.push({ ...last, cause: offline.length ? "They have QoS 0, so nothing keeps them until the connection is back." : null });
  }
  if (recent.refused) {
    problems.push({ title: perSecond(store, (it) => it.refused) + " messages a second are refused, by the broker or by a full queue.", sinceS: store.sinceWhen((sample) => sample.refused > 0, PAUSE_S),
      advice: "The page of a device says by which limit (Refused)." });
  }
  if (recent.expected && recent.received < 0.95 * recent.expected && !recent.dropped.size) {
    problems.push({ title: (recent.expected - recent.received) + " of " + recent.expected + " expected receptions are missing." });
  }
  return problems;
}

function hostProblems(store) {
  const lag = store.sample?.lag_s;
  if (!(lag > 0.1)) return [];
  return [{ title: "This host is " + lag.toFixed(1) + " s late: it is busy, and measures itself rather than the broker.", sinceS: store.sinceWhen((sample) => sample.lag_s > 0.1, PAUSE_S), advice: "Run fewer devices, or end other programs." }];
}

// How long a problem lasts, for people.
export function lasting(problem, store) {
  if (problem.sinceS === null || problem.sinceS === undefined || !Number.isFinite(problem.sinceS)) return "";
  const seconds = Math.max(0, store.now - problem.sinceS);
  const span = seconds < 90 ? seconds.toFixed(0) + " s" : (seconds / 60).toFixed(0) + " minutes";
  return "since " + clock(problem.sinceS) + " (for " + span + ")";
}

// The faults in force from the answers of `GET /faults/scopes`: each with its name, its kind and whom it is for.
export function faultsInForce(scopes, store) {
  const faults = [];
  for (const scope of scopes) {
    for (const fault of scope.document.fault ?? scope.document.faults ?? []) {
      faults.push({ ...fault, scope: { scope: scope.scope, name: scope.name }, id: fault.id ?? fault.kind, plane: /^broker_/.test(fault.kind) ? "broker" : "device", ...targetOf(fault, scope, store) });
    }
  }
  return faults;
}

function targetOf(fault, scope, store) {
  const group = fault.group ?? (scope.scope === "group" ? scope.name : null);
  const pattern = fault.device ?? (scope.scope === "device" ? scope.name : null);
  if (pattern) {
    const wanted = new RegExp("^" + pattern.split("*").map((part) => part.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&")).join(".*") + "$", "s");
    const named = store.names.map((name, at) => (wanted.test(name) ? at : -1)).filter((at) => at >= 0);
    return { targetText: named.length === 1 ? store.nameOf(named[0]) : plural(named.length, "device") + " (" + pattern + ")", first: named[0] };
  }
  if (group) {
    const members = store.membersOf(group);
    return { targetText: "group " + group + " (" + plural(members.length, "device") + ")", first: members[0] };
  }
  return { targetText: "the whole fleet (" + plural(store.names.length, "device") + ")", first: undefined };
}
