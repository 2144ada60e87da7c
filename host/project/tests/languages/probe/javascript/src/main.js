// See ../../README.md.
import { Refused, Response, expose, textOfJson } from "../sdk/wasmote.js";

class Probe {
  constructor(device, _cause) {
    const serial = device.config.bigint("serial", 18446744073709551615n);
    const level = device.config.integer("level", 3, 0, 10);
    device.subscribe(device.topic("in/#"), 2);
    device.publish(device.topic("hello"), `${serial} ${level}`, {
      qos: 1,
      retain: true,
      contentType: "text/plain",
      responseTopic: "reply/here",
      correlationData: new Uint8Array([0, 255, 128]),
      messageExpiry: 60,
      userProperties: [{ name: "a", value: "ä" }],
    });
    this.messages = 0;
  }

  onMessage(device, message) {
    this.messages += 1;
    const publish = (leaf, payload, options) => device.publish(device.topic(leaf), payload, options);
    switch (message.topic.split("/").pop()) {
      case "echo":
        return publish("echo", message.payload, { qos: message.qos, ...message.properties });
      case "json":
        return publish("json", textOfJson({ n: message.json().n }));
      case "log":
        for (const level of ["trace", "debug", "info", "warn", "error"]) device.log(level, `at ${level}`);
        return undefined;
      case "random":
        return publish("random", device.random.bytes(16));
      case "clock":
        return publish("clock", `${device.now()} ${Math.floor(device.timestamp())}`);
      case "timer":
        device.setTimer(4294967295, 0.25);
        device.setTimerAt(7, 2.5);
        device.setTimer(8, 0.1);
        return device.cancelTimer(8);
      case "metrics":
        device.count("probes_total");
        device.count("probes_total");
        device.gauge("probe_level", 0.5);
        return device.observe("probe_seconds", 3);
      case "store":
        publish("stored", device.stored("value") ?? "nothing");
        return device.store("value", message.payload);
      case "invalid":
        try {
          return publish("a/#", "x");
        } catch (problem) {
          return publish("invalid", problem.code);
        }
      default:
        throw new Error("the probe has a fault");
    }
  }

  onTimer(device, token) {
    device.publish(device.topic("timer"), String(token));
  }

  onHttpRequest(_device, { method, path, body }) {
    if (method === "POST" && path === "/echo") return { status: 201, headers: [], body };
    return Response.error(404, "not found");
  }

  stop(device, reason) {
    device.publish(device.topic("bye"), reason);
  }

  snapshot() {
    return { messages: this.messages };
  }

  restore(device, saved) {
    if (typeof saved?.messages !== "number") throw new Refused("the snapshot has no number of messages");
    this.messages = saved.messages;
    device.publish(device.topic("restored"), String(this.messages));
  }
}

export const behaviour = expose(Probe);
