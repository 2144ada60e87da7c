"""The device, as the interface of a behaviour to the host, and its messages."""

import json

from wit_world.imports import clock, faults, http, log, metrics, mqtt, random, state, timers
from wit_world.imports import config as host_config
from wit_world.imports.log import Level
from wit_world.imports.types import HttpRequest, MessageProperties, Qos

from .config import Config
from .errors import checked

_QOS = [Qos.AT_MOST_ONCE, Qos.AT_LEAST_ONCE, Qos.EXACTLY_ONCE]


def _bytes(payload):
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def _nanos(seconds):
    return max(0, round(seconds * 1e9))


class Message:
    """A received message."""

    def __init__(self, message):
        self.topic = message.topic
        self.payload = bytes(message.payload)
        #: 0, 1 or 2.
        self.qos = _QOS.index(message.qos)
        self.retain = message.retain
        #: The properties of MQTT 5, or None.
        self.properties = message.properties

    def text(self):
        """The payload as text. Raises a ValueError if it is not UTF-8."""
        return self.payload.decode()

    def json(self):
        """The payload as JSON, with exact integers. Raises a ValueError if it is not JSON."""
        return json.loads(self.text())


class Random:
    """Random numbers of the device, which follow from the seed of the run."""

    def uniform(self):
        """A number from 0 (included) to 1 (excluded)."""
        return random.uniform()

    def between(self, least, most):
        """A number from `least` (included) to `most` (excluded)."""
        return least + (most - least) * self.uniform()

    def chance(self, probability):
        """True with this probability."""
        return self.uniform() < probability

    def bits(self):
        """64 random bits."""
        return random.next_u64()

    def bytes(self, count):
        """This many random bytes, at most 65,536."""
        return bytes(random.bytes(count))


class Device:
    """A device: its identity and all functions of the host. No call waits; its effect takes place after the method returns."""

    def __init__(self, identity):
        self.id = identity.id
        self.group = identity.group
        self.index = identity.index
        self.group_size = identity.count
        self.topic_root = identity.topic_root
        self.config = Config()
        self.random = Random()

    def topic(self, leaf):
        """Topic of this device: `<root>/<id>/<leaf>`."""
        return f"{self.topic_root}/{self.id}/{leaf}"

    def peer(self, index):
        """Id of another device of the group, or None."""
        return host_config.peer(index)

    def publish(
        self,
        topic,
        payload,
        qos=0,
        retain=False,
        *,
        content_type=None,
        response_topic=None,
        correlation_data=None,
        message_expiry=None,
        user_properties=(),
    ):
        """Publishes bytes or a text, with properties of MQTT 5 if any is given."""
        properties = MessageProperties(
            content_type, response_topic, correlation_data, message_expiry, list(user_properties)
        )
        with checked():
            if properties == MessageProperties(None, None, None, None, []):
                mqtt.publish(topic, _bytes(payload), _QOS[qos], retain)
            else:
                mqtt.publish_with(topic, _bytes(payload), _QOS[qos], retain, properties)

    def publish_json(self, topic, value, qos=0, retain=False, **properties):
        """Publishes a value as JSON."""
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        self.publish(topic, text, qos, retain, **properties)

    def subscribe(self, filter, qos=1):
        with checked():
            mqtt.subscribe(filter, _QOS[qos])

    def unsubscribe(self, filter):
        mqtt.unsubscribe(filter)

    def set_will(self, topic, payload, qos=0, retain=False, delay=0):
        """Sets the message that the broker publishes if the connection ends without a DISCONNECT. Call it in `__init__`."""
        with checked():
            mqtt.set_will(mqtt.Will(topic, _bytes(payload), _QOS[qos], retain, delay))

    def connected(self):
        return mqtt.connected()

    def now(self):
        """Seconds since the start of the run."""
        return clock.monotonic_now() / 1e9

    def timestamp(self):
        """Seconds since 1970 by the clock of the device, to the microsecond."""
        return clock.wall_now() // 1000 / 1e6

    def set_timer(self, token, seconds):
        """Calls `on_timer(device, token)` once after these seconds. A timer with the same token is replaced."""
        with checked():
            timers.set(token, _nanos(seconds))

    def set_timer_at(self, token, seconds):
        """The same at a time of `now()`, so that an interval does not drift."""
        with checked():
            timers.set_at(token, _nanos(seconds))

    def cancel_timer(self, token):
        timers.cancel(token)

    def log(self, level, text):
        """Writes a line at a `Level`."""
        log.write(level, str(text))

    def trace(self, text):
        self.log(Level.TRACE, text)

    def debug(self, text):
        self.log(Level.DEBUG, text)

    def info(self, text):
        self.log(Level.INFO, text)

    def warn(self, text):
        self.log(Level.WARN, text)

    def error(self, text):
        self.log(Level.ERROR, text)

    def count(self, name, amount=1.0):
        """Adds to a counter."""
        with checked():
            metrics.counter_add(name, float(amount))

    def gauge(self, name, value):
        with checked():
            metrics.gauge_set(name, float(value))

    def observe(self, name, value):
        with checked():
            metrics.histogram_observe(name, float(value))

    def stored(self, key):
        """Bytes of the store, which survives crashes and restarts; None without the key."""
        return state.get(key)

    def store(self, key, value):
        """Stores bytes or a text."""
        with checked():
            state.set(key, _bytes(value))

    def forget(self, key):
        state.delete(key)

    def stored_keys(self):
        return state.keys()

    def send_http(self, method, url, headers=(), body=b"", seconds=10):
        """Sends a request to a host of the allow-list; `on_http_reply` gets the reply with the number returned here."""
        with checked():
            return http.send(HttpRequest(method, url, list(headers), _bytes(body)), _nanos(seconds))

    def active_faults(self):
        return faults.active()

    def report(self, kind, **fields):
        """A report of this device with `device`, `type` and `ts`, and these fields."""
        return {"device": self.id, "type": kind, "ts": self.timestamp(), **fields}

    def set_offline_will(self):
        """Sets a will that retains `offline` on the topic `state`."""
        self.set_will(self.topic("state"), "offline", qos=1, retain=True)

    def publish_state(self, online):
        """Publishes `online` or `offline` on the topic `state`, retained."""
        self.publish(self.topic("state"), "online" if online else "offline", qos=1, retain=True)
