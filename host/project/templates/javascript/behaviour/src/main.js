// A thermostat: it heats a simulated room to a target temperature, reports both, and takes commands.
//
// Each method handles one event of the device. `room.js` has no device, so `npm test` tests it in Node.js. `wasmote test` runs
// the whole behaviour in the scenarios of `tests/`.
import { Refused, Response, command, expose, textOf } from "../sdk/wasmote.js";
import { Room, TARGETS } from "./room.js";

const REPORT_TIMER = 1;

class Thermostat {
  constructor(device, _cause) {
    const { config } = device;
    config.denyUnknownFields(["interval", "target"]);
    this.interval = config.duration("interval", 1, 0.1);
    const configured = config.number("target", 21, TARGETS.least, TARGETS.most);
    // The store survives a loss of power.
    const stored = device.stored("target");
    this.room = new Room(stored ? Number(textOf(stored)) : configured);
    this.seq = 0;

    device.setOfflineWill();
    device.subscribe(device.topic("cmd"), 1);
    device.setTimer(REPORT_TIMER, this.interval);
  }

  onConnection(device, { up }) {
    if (up) device.publishState(true);
  }

  onTimer(device, _token) {
    device.setTimer(REPORT_TIMER, this.interval);
    this.room.heat();
    this.seq += 1;
    const values = { room: this.room.temperature, target: this.room.target };
    device.publishJson(device.topic("telemetry"), device.report("telemetry", { seq: this.seq, values }));
    device.count("reports_total");
  }

  onMessage(device, message) {
    command(device, message, (name, body) => this.execute(device, name, body));
  }

  execute(device, name, { value }) {
    if (name !== "target") throw new Refused(`there is no command \`${name}\`; this device knows \`target\``);
    if (typeof value !== "number") throw new Refused("value: expected a number");
    const problem = this.room.setTarget(value);
    if (problem) throw new Refused(problem);
    device.store("target", String(value));
  }

  onHttpRequest(device, request) {
    if (request.method === "GET" && request.path === "/") {
      const { temperature: room, target } = this.room;
      return Response.json({ device: device.id, seq: this.seq, room, target });
    }
    return Response.fallback(request, ["/"]);
  }

  stop(device, reason) {
    // During a swap the new version goes on with the same connection.
    if (reason !== "swap") device.publishState(false);
  }

  snapshot() {
    return { seq: this.seq, room: this.room.temperature, target: this.room.target };
  }

  restore(_device, saved) {
    for (const name of ["seq", "room", "target"]) {
      if (typeof saved?.[name] !== "number") throw new Refused(`the snapshot has no \`${name}\``);
    }
    this.seq = saved.seq;
    this.room.temperature = saved.room;
    this.room.target = saved.target;
  }
}

export const behaviour = expose(Thermostat);
