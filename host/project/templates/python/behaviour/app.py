"""A thermostat: it heats a simulated room to a target temperature, reports both, and takes commands.

Each method handles one event of the device. `room.py` has no device, so `python3 -m unittest` tests it in Python.
`wasmote test` runs the whole behaviour in the scenarios of `tests/`.
"""

from room import LEAST, MOST, Room
from wasmote_sdk import Refused, StopReason, command, expose, fallback, json_response

REPORT_TIMER = 1


class Thermostat:
    def __init__(self, device, cause):
        config = device.config
        config.deny_unknown_fields(["interval", "target"])
        self.interval = config.duration("interval", 1, least=0.1)
        configured = config.number("target", 21.0, LEAST, MOST)
        # The store survives a loss of power.
        stored = device.stored("target")
        self.room = Room(float(stored.decode()) if stored else configured)
        self.seq = 0

        device.set_offline_will()
        device.subscribe(device.topic("cmd"), qos=1)
        device.set_timer(REPORT_TIMER, self.interval)

    def on_connection(self, device, up, detail):
        if up:
            device.publish_state(True)

    def on_timer(self, device, token):
        device.set_timer(REPORT_TIMER, self.interval)
        self.room.heat()
        self.seq += 1
        values = {"room": self.room.temperature, "target": self.room.target}
        device.publish_json(device.topic("telemetry"), device.report("telemetry", seq=self.seq, values=values))
        device.count("reports_total")

    def on_message(self, device, message):
        command(device, message, lambda name, body: self.execute(device, name, body))

    def execute(self, device, name, body):
        if name != "target":
            raise Refused(f"there is no command `{name}`; this device knows `target`")
        value = body.get("value")
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise Refused("value: expected a number")
        problem = self.room.set_target(value)
        if problem:
            raise Refused(problem)
        device.store("target", repr(float(value)))

    def on_http_request(self, device, request):
        if request.method == "GET" and request.url.split("?")[0] == "/":
            return json_response(
                {"device": device.id, "seq": self.seq, "room": self.room.temperature, "target": self.room.target}
            )
        return fallback(request, ["/"])

    def stop(self, device, reason):
        # During a swap the new version goes on with the same connection.
        if reason != StopReason.SWAP:
            device.publish_state(False)

    def snapshot(self, device):
        return {"seq": self.seq, "room": self.room.temperature, "target": self.room.target}

    def restore(self, device, saved):
        for name in ["seq", "room", "target"]:
            if not isinstance(saved, dict) or not isinstance(saved.get(name), (int, float)):
                raise Refused(f"the snapshot has no `{name}`")
        self.seq = saved["seq"]
        self.room.temperature = saved["room"]
        self.room.target = saved["target"]


Behaviour = expose(Thermostat)
