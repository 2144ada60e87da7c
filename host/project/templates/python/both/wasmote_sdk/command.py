"""Commands to a device as JSON over MQTT, and their acknowledgements."""

from .errors import Refused


def command(device, message, execute):
    """Handles a message as a command `{"id": ..., "cmd": "name", ...}` and acknowledges it, on the response topic of the
    message or on `<root>/<device>/ack`. `execute(name, body)` raises a `Refused` for a command that is not carried out."""
    id, name, outcome = None, None, {"ok": True}
    try:
        try:
            body = message.json()
        except ValueError as problem:
            raise Refused(f"the command is no JSON: {problem}") from None
        if not isinstance(body, dict) or not isinstance(body.get("cmd"), str):
            raise Refused("cmd: expected the name of a command")
        id, name = body.get("id"), body["cmd"]
        execute(name, body)
        device.info(f"command {name} done")
    except Refused as problem:
        outcome = {"ok": False, "error": str(problem)}
        device.warn(f"command {name} refused: {problem}")
    properties = message.properties
    topic = (properties and properties.response_topic) or device.topic("ack")
    correlation_data = properties.correlation_data if properties else None
    report = device.report("ack", id=id, cmd=name, **outcome)
    device.publish_json(topic, report, qos=1, correlation_data=correlation_data)
