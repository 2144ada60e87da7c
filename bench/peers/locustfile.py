"""The same load with Locust's MQTT user. Its settings are environment variables, because Locust has no flags for them."""

import os
import time

import gevent
from locust import events, task
from locust.contrib.mqtt import MqttUser

INTERVAL = float(os.environ["BENCH_INTERVAL"])
SIZE = int(os.environ["BENCH_SIZE"])
QOS = int(os.environ["BENCH_QOS"])
NUMBERS = iter(range(10**9))


class Publisher(MqttUser):
    transport = "tcp"
    host = "127.0.0.1"
    port = int(os.environ["BENCH_PORT"])

    def on_start(self):
        while not self.client.is_connected():
            gevent.sleep(0.01)
        self.topic = f"wasmote/locust-{next(NUMBERS)}/load"
        self.number = 0
        self.due = time.monotonic()

    @task
    def publish(self):
        self.number += 1
        self.client.publish(self.topic, f"{self.number} ".ljust(SIZE, "."), qos=QOS)
        # Late messages are made up for, as in all contenders.
        self.due += INTERVAL
        gevent.sleep(max(self.due - time.monotonic(), 0))


@events.test_start.add_listener
def quietly(environment, **_):
    environment.stats.use_response_times_cache = False
