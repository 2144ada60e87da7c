"""A simulated device in the traditional form: one process with paho-mqtt and Flask, and the faults in its code.

Written for `bench/run` as a comparison. It has the usual parts: a loop that publishes, latency and loss drawn before each
message, an HTTP endpoint for status and metrics, and a callback for received messages.
"""

import argparse
import logging
import random
import threading
import time

import flask
import paho.mqtt.client as mqtt


class Device:
    def __init__(self, options):
        self.options = options
        self.sent = 0
        self.received = 0
        self.dropped = 0
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=options.device_id,
                                  protocol=mqtt.MQTTv5)
        self.client.on_connect = self.connected
        self.client.on_message = self.message_arrived

    def connected(self, client, *_):
        client.subscribe(f"wasmote/{self.options.device_id}/cmd", qos=1)

    def message_arrived(self, *_):
        self.received += 1

    def run(self):
        self.client.connect(self.options.host, self.options.port, keepalive=10)
        self.client.loop_start()
        threading.Thread(target=self.publish_for_ever, daemon=True).start()

    def publish_for_ever(self):
        topic = f"wasmote/{self.options.device_id}/load"
        due = time.monotonic() + random.random() * self.options.interval
        number = 0
        while True:
            time.sleep(max(due - time.monotonic(), 0))
            due += self.options.interval
            number += 1
            if self.options.latency > 0:
                time.sleep(random.uniform(0, self.options.latency))
            if random.random() < self.options.loss:
                self.dropped += 1
                continue
            payload = f"{number} ".ljust(self.options.size, ".")
            self.client.publish(topic, payload, qos=self.options.qos)
            self.sent += 1


def application(device):
    app = flask.Flask(__name__)

    @app.get("/status")
    def status():
        return {"device": device.options.device_id, "connected": device.client.is_connected()}

    @app.get("/metrics")
    def metrics():
        return {"sent": device.sent, "received": device.received, "dropped": device.dropped}

    return app


def main():
    parser = argparse.ArgumentParser(description="A simulated device with paho-mqtt and Flask")
    parser.add_argument("--device-id", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--size", type=int, default=256, help="bytes")
    parser.add_argument("--qos", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="maximum, in seconds")
    parser.add_argument("--loss", type=float, default=0.0, help="probability")
    device = Device(parser.parse_args())
    device.run()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application(device).run(host="127.0.0.1", port=device.options.http_port, threaded=True)


if __name__ == "__main__":
    main()
