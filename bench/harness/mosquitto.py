"""A Mosquitto process for one measurement, and its counters."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from harness.processes import cpu_seconds, descriptors_raised

CONFIG = """
user root
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 20
sys_interval 1
log_dest stderr
log_type {log}
connection_messages {connections}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def program(name):
    # On Debian the broker is outside the PATH of ordinary users.
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        raise SystemExit(f"{name} was not found; run apt-get install mosquitto mosquitto-clients (or `make test-tools`)")
    return found


class Mosquitto:
    """New Mosquitto process; ends with the context."""

    def __init__(self, connections_logged=False):
        self.port = free_port()
        self.connects = []
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "mosquitto.conf"
        log = "notice" if connections_logged else "error"
        connections = "true" if connections_logged else "false"
        config.write_text(CONFIG.format(port=self.port, log=log, connections=connections))
        self.process = subprocess.Popen([program("mosquitto"), "-c", str(config)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=descriptors_raised)
        threading.Thread(target=self.read_log, daemon=True).start()
        self.wait_until_it_listens()
        self.counters = Counters(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.counters.stop()
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def read_log(self):
        for line in self.process.stderr:
            if b"New client connected" in line and b" as bench-counters" not in line and b" as bench-listener" not in line:
                self.connects.append(time.monotonic())

    def wait_until_it_listens(self):
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("Mosquitto did not start within 5 s")

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)


class Counters:
    """Counters that the broker publishes once a second, each with its time of arrival."""

    TOPICS = {
        "messages": "$SYS/broker/publish/messages/received",
        "clients": "$SYS/broker/clients/connected",
    }

    def __init__(self, port):
        self.last = {}
        self.updated = threading.Condition()
        command = [program("mosquitto_sub"), "-i", "bench-counters", "-p", str(port), "-R", "-F", "%t %p"]
        for topic in self.TOPICS.values():
            command += ["-t", topic]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        names = {topic: name for name, topic in self.TOPICS.items()}
        for line in self.process.stdout:
            topic, _, number = line.strip().rpartition(" ")
            with self.updated:
                self.last[names[topic]] = (time.monotonic(), int(number))
                self.updated.notify_all()

    def clients(self):
        """Number of connected clients, without this subscriber."""
        return self.last.get("clients", (0.0, 1))[1] - 1

    def next_messages(self, timeout=10):
        """Next update of the message counter, with its time; None after the timeout."""
        with self.updated:
            before = self.last.get("messages")
            self.updated.wait_for(lambda: self.last.get("messages") != before, timeout)
            now = self.last.get("messages")
            return now if now != before else None

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Listener:
    """Independent subscriber (`mosquitto_sub`) that counts messages by topic."""

    def __init__(self, port, filter_):
        self.topics = {}
        command = [program("mosquitto_sub"), "-i", "bench-listener", "-p", str(port), "-t", filter_, "-F", "%t"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.topics[line] = self.topics.get(line, 0) + 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
