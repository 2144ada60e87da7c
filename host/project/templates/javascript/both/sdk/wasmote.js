// SDK for behaviours in JavaScript: a layer over the interfaces of `wit/`.
//
// A behaviour is a class. Its constructor is called with the device at each start; the other methods handle the events of the
// device, and a class has those that it needs:
//
//     import { Refused, expose } from "../sdk/wasmote.js";
//
//     class Lamp {
//       constructor(device, cause) { device.subscribe(device.topic("cmd")); }
//       onMessage(device, message) { ... }          // a message arrived
//       onTimer(device, token) { ... }              // a timer is due
//       onConnection(device, change) { ... }        // { up: true, sessionPresent } or { up: false, reason }
//       onHttpRequest(device, request) { ... }      // returns a response, such as Response.json({ ... })
//       onHttpReply(device, id, reply) { ... }      // { response } or { failure }
//       stop(device, reason) { ... }                // "requested", "shutdown" or "swap"
//       snapshot(device) { ... }                    // returns a value for the next version of this component
//       restore(device, saved) { ... }              // takes that value over
//     }
//
//     export const behaviour = expose(Lamp);
//
// `throw new Refused("reason")` in the constructor, in `snapshot` or in `restore` is an answer to the user. Any other error is
// a bug: it ends the instance, and the log has the error with its stack.
import * as clock from "wasmote:device/clock@0.1.0";
import * as configuration from "wasmote:device/config@0.1.0";
import * as data from "wasmote:device/data@0.1.0";
import * as faults from "wasmote:device/faults@0.1.0";
import * as http from "wasmote:device/http@0.1.0";
import * as log from "wasmote:device/log@0.1.0";
import * as metrics from "wasmote:device/metrics@0.1.0";
import * as mqtt from "wasmote:device/mqtt@0.1.0";
import * as random from "wasmote:device/random@0.1.0";
import * as state from "wasmote:device/state@0.1.0";
import * as timers from "wasmote:device/timers@0.1.0";
import { Random } from "./random.js";
import { bytesOf, parseJson, textOf, textOfJson } from "./text.js";

export { bytesOf, parseJson, textOf, textOfJson };

/** An answer to the user: an invalid configuration, or a snapshot that cannot be restored. */
export class Refused extends Error {}

/** A reason of the host why it does not take a message, a subscription, a request or a value; `code` is its name in `wit/`. */
export class Rejected extends Error {
  constructor(code, detail) {
    super(detail === undefined ? code : `${code}: ${detail}`);
    this.code = code;
  }
}

const QOS = ["at-most-once", "at-least-once", "exactly-once"];

/** Calls an import, and turns the error that it throws into one of a class. */
function checked(call) {
  try {
    return call();
  } catch (problem) {
    const reason = problem?.payload ?? problem;
    if (typeof reason === "string") throw new Rejected(reason);
    if (reason !== null && typeof reason === "object" && "tag" in reason) throw new Rejected(reason.tag, reason.val);
    throw problem;
  }
}

/** A number as the engine passes it as `u32`: it takes those from 2^31 on as negative ones. */
const u32 = (number) => number | 0;

/** Whole nanoseconds of a time in seconds. */
const nanos = (seconds) => Math.max(0, Math.round(Number(seconds) * 1e9));

/** The configuration. A path is a key, or a JSON Pointer such as `/channels/0/name`. Errors name the field. */
export class Config {
  /** The whole configuration; integers beyond 2^53 are `BigInt`. */
  all() {
    return parseJson(configuration.json());
  }

  /** Refuses fields with other names than these. */
  denyUnknownFields(known) {
    const unknown = Object.keys(this.all()).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new Refused(`configuration: ${unknown}: there is no such field; there are ${known.join(", ")}`);
    }
  }

  text(path, otherwise) {
    return this.#read("text", path) ?? otherwise;
  }

  boolean(path, otherwise) {
    return this.#read("boolean", path) ?? otherwise;
  }

  number(path, otherwise, least = -Infinity, most = Infinity) {
    return this.#inRange(path, this.#read("number", path) ?? otherwise, least, most);
  }

  /** An integer up to 2^53; a larger one is refused, and `bigint` reads it. */
  integer(path, otherwise, least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER) {
    return this.#inRange(path, this.#read("integer", path) ?? otherwise, least, most);
  }

  /** An integer of any size, exactly, as a `BigInt`. */
  bigint(path, otherwise) {
    const keys = path.startsWith("/") ? path.slice(1).split("/") : [path];
    let value = this.all();
    for (const key of keys) value = value?.[key.replaceAll("~1", "/").replaceAll("~0", "~")];
    if (value === undefined || value === null) return otherwise;
    if (typeof value === "bigint" || Number.isSafeInteger(value)) return BigInt(value);
    throw new Refused(`configuration: ${path}: expected an integer, found ${textOfJson(value)}`);
  }

  /** A duration in seconds; the configuration may have `"500ms"`, `"5s"`, `"1m 30s"` or a number of seconds. */
  duration(path, otherwise, least = 0, most = Infinity) {
    const found = this.#read("duration", path);
    return this.#inRange(path, found === undefined ? otherwise : Number(found) / 1e9, least, most);
  }

  #read(type, path) {
    try {
      return configuration[type](path) ?? undefined;
    } catch (problem) {
      const { path: field, expected, found } = problem?.payload ?? problem;
      if (expected === undefined) throw problem;
      throw new Refused(`configuration: ${field}: expected ${expected}, found ${found}`);
    }
  }

  #inRange(path, value, least, most) {
    if (value === undefined || (value >= least && value <= most)) return value;
    throw new Refused(`configuration: ${path}: expected ${range(least, most)}, found ${value}`);
  }
}

function range(least, most) {
  if (most >= Number.MAX_SAFE_INTEGER) return `at least ${least}`;
  return least <= Number.MIN_SAFE_INTEGER ? `at most ${most}` : `${least} to ${most}`;
}

/** A received message. */
export class Message {
  constructor({ topic, payload, qos, retain, properties }) {
    this.topic = topic;
    /** The payload, a `Uint8Array`. */
    this.payload = new Uint8Array(payload);
    /** 0, 1 or 2. */
    this.qos = QOS.indexOf(qos);
    this.retain = retain;
    /** The properties of MQTT 5, or undefined. */
    this.properties = properties ?? undefined;
    if (properties?.messageExpiry != null) properties.messageExpiry >>>= 0;
  }

  /** The payload as text; undefined if it is not UTF-8. */
  text() {
    return textOf(this.payload);
  }

  /** The payload as JSON, in which integers beyond 2^53 are `BigInt`. Throws a `SyntaxError` if it is not JSON. */
  json() {
    const text = this.text();
    if (text === undefined) throw new SyntaxError("it is not UTF-8");
    return parseJson(text);
  }
}

/** Responses to HTTP requests. */
export const Response = {
  json(value, status = 200) {
    const headers = [{ name: "content-type", value: "application/json" }];
    return { status, headers, body: bytesOf(textOfJson(value)) };
  },
  error: (status, reason) => Response.json({ error: reason }, status),
  /** For requests that a device with these paths does not handle: 405 for another method, 404 for another path. */
  fallback(request, paths) {
    if (paths.includes(request.path)) return Response.error(405, "only GET is answered here");
    return Response.error(404, `not found; this device answers ${paths.join(", ")}`);
  },
};

/** A device: its identity and all functions of the host. No call waits; its effect takes place after the method returns. */
export class Device {
  constructor() {
    const { id, group, index, count, topicRoot } = configuration.whoami();
    Object.assign(this, { id, group, index, groupSize: count, topicRoot });
    this.config = new Config();
    this.random = new Random(random);
  }

  /** Topic of this device: `<root>/<id>/<leaf>`. */
  topic(leaf) {
    return `${this.topicRoot}/${this.id}/${leaf}`;
  }

  /** Id of another device of the group, or undefined. */
  peer(index) {
    return configuration.peer(index) ?? undefined;
  }

  /** Publishes bytes or a text. `options`: `qos` (0, 1, 2), `retain`, and the properties of MQTT 5 as in `wit/types.wit`. */
  publish(topic, payload, { qos = 0, retain = false, ...properties } = {}) {
    const bytes = typeof payload === "string" ? bytesOf(payload) : payload;
    if (Object.keys(properties).length === 0) {
      checked(() => mqtt.publish(topic, bytes, QOS[qos], retain));
      return;
    }
    const all = {
      contentType: null, responseTopic: null, correlationData: null, messageExpiry: null, userProperties: [],
      ...properties,
    };
    if (all.messageExpiry !== null && all.messageExpiry !== undefined) all.messageExpiry = u32(all.messageExpiry);
    checked(() => mqtt.publishWith(topic, bytes, QOS[qos], retain, all));
  }

  /** Publishes a value as JSON; `BigInt` values are integers in it. */
  publishJson(topic, value, options) {
    this.publish(topic, textOfJson(value), options);
  }

  subscribe(filter, qos = 1) {
    checked(() => mqtt.subscribe(filter, QOS[qos]));
  }

  unsubscribe(filter) {
    mqtt.unsubscribe(filter);
  }

  /** Sets the message that the broker publishes if the connection ends without a DISCONNECT. Call it in the constructor. */
  setWill(topic, payload, { qos = 0, retain = false, delay = 0 } = {}) {
    const bytes = typeof payload === "string" ? bytesOf(payload) : payload;
    checked(() => mqtt.setWill({ topic, payload: bytes, qos: QOS[qos], retain, delay: u32(delay) }));
  }

  connected() {
    return mqtt.connected();
  }

  /** Seconds since the start of the run. */
  now() {
    return Number(clock.monotonicNow()) / 1e9;
  }

  /** Seconds since 1970 by the clock of the device, to the microsecond. */
  timestamp() {
    return Math.floor(Number(clock.wallNow()) / 1e3) / 1e6;
  }

  /** Calls `onTimer(device, token)` once after these seconds. A timer with the same token is replaced. */
  setTimer(token, seconds) {
    checked(() => timers.set(u32(token), nanos(seconds)));
  }

  /** The same at a time of `now()`, so that an interval does not drift. */
  setTimerAt(token, seconds) {
    checked(() => timers.setAt(u32(token), nanos(seconds)));
  }

  cancelTimer(token) {
    timers.cancel(u32(token));
  }

  /** Writes a line at a level: "trace", "debug", "info", "warn" or "error". */
  log(level, text) {
    log.write(level, String(text));
  }

  debug(text) {
    this.log("debug", text);
  }

  info(text) {
    this.log("info", text);
  }

  warn(text) {
    this.log("warn", text);
  }

  error(text) {
    this.log("error", text);
  }

  /** Adds to a counter. */
  count(name, amount = 1) {
    checked(() => metrics.counterAdd(name, amount));
  }

  gauge(name, value) {
    checked(() => metrics.gaugeSet(name, value));
  }

  observe(name, value) {
    checked(() => metrics.histogramObserve(name, value));
  }

  /** Bytes of the store, which survives crashes and restarts; undefined without the key. */
  stored(key) {
    const bytes = state.get(key) ?? undefined;
    return bytes && new Uint8Array(bytes);
  }

  /** Stores bytes or a text. */
  store(key, value) {
    checked(() => state.set(key, typeof value === "string" ? bytesOf(value) : value));
  }

  forget(key) {
    state["delete"](key);
  }

  storedKeys() {
    return state.keys();
  }

  /** Sends an HTTP request to a host of the allow-list; `onHttpReply` gets the reply with the number returned here. */
  sendHttp({ method = "GET", url, headers = [], body = new Uint8Array() }, seconds = 10) {
    return checked(() => http.send({ method, url, headers, body }, nanos(seconds)));
  }

  activeFaults() {
    return faults.active();
  }

  /** The imports for tables of recorded data, as in `wit/data.wit`. */
  get data() {
    return data;
  }

  /** A report of this device with `device`, `type` and `ts`, and these fields. */
  report(type, fields = {}) {
    return { device: this.id, type, ts: this.timestamp(), ...fields };
  }

  /** Sets a will that retains `offline` on the topic `state`. */
  setOfflineWill() {
    this.setWill(this.topic("state"), "offline", { qos: 1, retain: true });
  }

  /** Publishes `online` or `offline` on the topic `state`, retained. */
  publishState(online) {
    this.publish(this.topic("state"), online ? "online" : "offline", { qos: 1, retain: true });
  }
}

/**
 * Handles a message as a command `{"id": ..., "cmd": "name", ...}` and acknowledges it, on the response topic of the message or
 * on `<root>/<device>/ack`. `execute(name, body)` throws a `Refused` for a command that is not carried out.
 */
export function command(device, message, execute) {
  let [id, name, problem] = [null, null, undefined];
  try {
    let body;
    try {
      body = message.json();
    } catch (error) {
      throw new Refused(`the command is no JSON: ${error.message}`);
    }
    if (typeof body?.cmd !== "string") throw new Refused("cmd: expected the name of a command");
    [id, name] = [body.id ?? null, body.cmd];
    execute(name, body);
    device.info(`command ${name} done`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problem = error.message;
    device.warn(`command ${name} refused: ${problem}`);
  }
  const outcome = problem === undefined ? { ok: true } : { ok: false, error: problem };
  const { responseTopic, correlationData } = message.properties ?? {};
  const options = correlationData ? { qos: 1, correlationData: new Uint8Array(correlationData) } : { qos: 1 };
  device.publishJson(responseTopic ?? device.topic("ack"), device.report("ack", { id, cmd: name, ...outcome }), options);
}

/** Calls a function whose error is a result of the interface: a `Refused` is the error, and all others are bugs. */
function refusing(call) {
  try {
    return call();
  } catch (problem) {
    if (problem instanceof Refused) throw problem.message;
    throw problem;
  }
}

/** Runs an event handler, and logs an error with its stack before it ends the instance. */
function guarded(call) {
  try {
    return call();
  } catch (problem) {
    if (problem instanceof Error && !(problem instanceof Refused)) {
      log.write("error", `${problem.name}: ${problem.message}\n${problem.stack ?? ""}`.trim());
    }
    throw problem;
  }
}

/** The exports of a behaviour, from its class. */
export function expose(Behaviour) {
  let device;
  let instance;
  const call = (method, ...values) => guarded(() => instance[method]?.(device, ...values));
  return {
    start(cause) {
      refusing(() => guarded(() => {
        device = new Device();
        instance = new Behaviour(device, cause);
      }));
    },
    onMessage: (message) => void call("onMessage", new Message(message)),
    onTimer: (token) => void call("onTimer", token >>> 0),
    onConnection({ tag, val }) {
      call("onConnection", tag === "up" ? { up: true, sessionPresent: val } : { up: false, reason: val });
    },
    onHttpRequest(request) {
      const path = request.url.split("?")[0];
      const response = call("onHttpRequest", { ...request, path, body: new Uint8Array(request.body) });
      return response ?? Response.error(404, "this device answers no requests");
    },
    onHttpReply(id, { tag, val }) {
      call("onHttpReply", id, tag === "ok" ? { response: val } : { failure: val });
    },
    stop: (reason) => void call("stop", reason),
    snapshot: () => refusing(() => bytesOf(textOfJson(call("snapshot") ?? null))),
    restore: (saved) => refusing(() => {
      let value;
      try {
        value = parseJson(textOf(new Uint8Array(saved)) ?? "");
      } catch (error) {
        throw new Refused(`the snapshot is no JSON: ${error.message}`);
      }
      call("restore", value);
    }),
  };
}
