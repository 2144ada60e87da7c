"""SDK for behaviours in Python: a layer over the interfaces of `wit/`.

A behaviour is a class. Its constructor is called with the device at each start; the other methods handle the events of the
device, and a class has those that it needs:

    from wasmote_sdk import Refused, expose

    class Lamp:
        def __init__(self, device, cause): device.subscribe(device.topic("cmd"))
        def on_message(self, device, message): ...         # a message arrived
        def on_timer(self, device, token): ...             # a timer is due
        def on_connection(self, device, up, detail): ...   # up: whether the broker had the session; down: the reason
        def on_http_request(self, device, request): ...    # returns a response, such as json_response({...})
        def on_http_reply(self, device, id, reply): ...    # Ok(response) or Err(failure)
        def stop(self, device, reason): ...                # StopReason.REQUESTED, .SHUTDOWN or .SWAP
        def snapshot(self, device): ...                    # returns a value for the next version of this component
        def restore(self, device, saved): ...              # takes that value over

    Behaviour = expose(Lamp)

`raise Refused("reason")` in the constructor, in `snapshot` or in `restore` is an answer to the user. Any other exception is a
bug: it ends the instance, and the log has the traceback.
"""

import json
from contextlib import contextmanager

from componentize_py_types import Err
from wit_world.exports.behaviour import ConnectionChange_Up, StartCause, StopReason
from wit_world.imports import config as host_config
from wit_world.imports import log
from wit_world.imports.types import HttpHeader, HttpResponse

from .command import command
from .config import Config
from .device import Device, Message
from .errors import Refused, Rejected

__all__ = [
    "Config",
    "Device",
    "Message",
    "Refused",
    "Rejected",
    "StartCause",
    "StopReason",
    "command",
    "error_response",
    "expose",
    "fallback",
    "json_response",
]


def json_response(value, status=200):
    """A response with JSON."""
    headers = [HttpHeader("content-type", "application/json")]
    return HttpResponse(status, headers, json.dumps(value, separators=(",", ":")).encode())


def error_response(status, reason):
    """A response with a status and `{"error": reason}`."""
    return json_response({"error": reason}, status)


def fallback(request, paths):
    """For requests that a device with these paths does not handle: 405 for another method, 404 for another path."""
    if request.url.split("?")[0] in paths:
        return error_response(405, "only GET is answered here")
    return error_response(404, f"not found; this device answers {', '.join(paths)}")


class _Running:
    """The device and the instance of the behaviour. The generated code makes an object of the exported class for each call."""

    device = None
    instance = None


@contextmanager
def _reporting():
    """Logs a bug in one line, which is the reason of the trap; its traceback follows on standard error."""
    try:
        yield
    except Refused:
        raise
    except Exception as problem:
        log.write(log.Level.ERROR, f"{type(problem).__name__}: {problem}")
        raise


def _refusing(call):
    """Calls a function whose error is a result of the interface: a `Refused` is the error, and all others are bugs."""
    try:
        return call()
    except Refused as problem:
        raise Err(str(problem)) from None


def expose(behaviour):
    """The exports of a behaviour, from its class: assign them to `Behaviour` in the main module."""

    def call(method, *values):
        handler = getattr(_Running.instance, method, None)
        with _reporting():
            return handler(_Running.device, *values) if handler else None

    class Behaviour:
        def start(self, cause):
            def begin():
                _Running.device = Device(host_config.whoami())
                with _reporting():
                    _Running.instance = behaviour(_Running.device, cause)

            _refusing(begin)

        def on_message(self, message):
            call("on_message", Message(message))

        def on_timer(self, token):
            call("on_timer", token)

        def on_connection(self, change):
            call("on_connection", isinstance(change, ConnectionChange_Up), change.value)

        def on_http_request(self, request):
            response = call("on_http_request", request)
            return response or error_response(404, "this device answers no requests")

        def on_http_reply(self, id, reply):
            call("on_http_reply", id, reply)

        def stop(self, reason):
            call("stop", reason)

        def snapshot(self):
            return _refusing(lambda: json.dumps(call("snapshot")).encode())

        def restore(self, saved):
            def take_over():
                try:
                    value = json.loads(saved)
                except ValueError as problem:
                    raise Refused(f"the snapshot is no JSON: {problem}") from None
                call("restore", value)

            _refusing(take_over)

    return Behaviour
