"""See ../README.md."""

from wasmote_sdk import Refused, Rejected, error_response, expose
from wit_world.imports.types import HttpResponse, UserProperty


class Probe:
    def __init__(self, device, cause):
        serial = device.config.integer("serial", 18446744073709551615)
        level = device.config.integer("level", 3, 0, 10)
        device.subscribe(device.topic("in/#"), 2)
        device.publish(
            device.topic("hello"),
            f"{serial} {level}",
            qos=1,
            retain=True,
            content_type="text/plain",
            response_topic="reply/here",
            correlation_data=bytes([0, 255, 128]),
            message_expiry=60,
            user_properties=[UserProperty("a", "ä")],
        )
        self.messages = 0

    def on_message(self, device, message):
        self.messages += 1
        leaf = message.topic.split("/")[-1]
        if leaf == "echo":
            properties = vars(message.properties) if message.properties else {}
            device.publish(device.topic("echo"), message.payload, message.qos, **properties)
        elif leaf == "json":
            device.publish_json(device.topic("json"), {"n": message.json()["n"]})
        elif leaf == "log":
            for level in ["trace", "debug", "info", "warn", "error"]:
                getattr(device, level)(f"at {level}")
        elif leaf == "random":
            device.publish(device.topic("random"), device.random.bytes(16))
        elif leaf == "clock":
            device.publish(device.topic("clock"), f"{device.now():g} {int(device.timestamp())}")
        elif leaf == "timer":
            device.set_timer(4294967295, 0.25)
            device.set_timer_at(7, 2.5)
            device.set_timer(8, 0.1)
            device.cancel_timer(8)
        elif leaf == "metrics":
            device.count("probes_total")
            device.count("probes_total")
            device.gauge("probe_level", 0.5)
            device.observe("probe_seconds", 3)
        elif leaf == "store":
            stored = device.stored("value")
            device.publish(device.topic("stored"), "nothing" if stored is None else stored)
            device.store("value", message.payload)
        elif leaf == "invalid":
            try:
                device.publish(device.topic("a/#"), "x")
            except Rejected as problem:
                device.publish(device.topic("invalid"), problem.code)
        else:
            raise ValueError("the probe has a fault")

    def on_timer(self, device, token):
        device.publish(device.topic("timer"), str(token))

    def on_http_request(self, device, request):
        if request.method == "POST" and request.url.split("?")[0] == "/echo":
            return HttpResponse(201, [], request.body)
        return error_response(404, "not found")

    def stop(self, device, reason):
        device.publish(device.topic("bye"), reason.name.lower())

    def snapshot(self, device):
        return {"messages": self.messages}

    def restore(self, device, saved):
        if not isinstance(saved, dict) or "messages" not in saved:
            raise Refused("the snapshot has no number of messages")
        self.messages = saved["messages"]
        device.publish(device.topic("restored"), str(self.messages))


Behaviour = expose(Probe)
