"""Contenders of the benchmarks, and the command lines that give each the same load."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from harness.mosquitto import free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
FOLDER = TARGET / "bench"
PEERS = ROOT / "bench" / "peers"
PUBLISHER = ROOT / "behaviours" / "built" / "publisher.wasm"


@dataclasses.dataclass(frozen=True)
class Load:
    """Load: every client publishes a payload of `size` bytes every `interval` seconds."""

    clients: int
    interval: float
    qos: int
    size: int = 256

    def offered(self):
        return self.clients / self.interval

    def __str__(self):
        return f"{self.clients} clients, one message of {self.size} B every {self.interval * 1000:g} ms, QoS {self.qos}"


@dataclasses.dataclass(frozen=True)
class Contender:
    """Contender; `commands` returns the command lines for a load and a broker's port."""

    key: str
    name: str
    commands: object
    environment: object = lambda _load, _port: {}
    # True if it always runs at its maximum rate, because it has no setting for the rate.
    saturates: bool = False


def built(name):
    """Path of a program built with the `dist` profile, which the benchmarks use."""
    return TARGET / "dist" / name


def wasmote_command(load, port, more=()):
    broker = f"mqtt://127.0.0.1:{port}" if port else "embedded:0"
    return [built("wasmote"), "run", PUBLISHER, "--devices", load.clients, "--broker", broker,
            "--faults", "none", "--seed", "1", "--http", "127.0.0.1:0", "--log", "json", "--log-messages", "off",
            "--limit", "publishes_per_second=0",
            "--device-config", f"interval={load.interval * 1000:g}ms", "--device-config", f"size={load.size}",
            "--device-config", f"qos={load.qos}", *more]


def bare(load, port):
    return [[built("bare-rumqttc"), "--broker", f"127.0.0.1:{port}", "--clients", load.clients,
             "--interval", f"{round(load.interval * 1e6)}us", "--size", load.size, "--qos", load.qos,
             "--duration", "1h"]]


def python(name):
    return FOLDER / "venv" / "bin" / name


def python_devices(load, port):
    return [[python("python"), PEERS / "python_device.py", "--device-id", f"python-{number}", "--port", port,
             "--http-port", free_port(), "--interval", load.interval, "--size", load.size, "--qos", load.qos]
            for number in range(load.clients)]


def locust(load, _port):
    return [[python("locust"), "-f", PEERS / "locustfile.py", "--headless", "--only-summary", "--loglevel", "ERROR",
             "-u", load.clients, "-r", load.clients]]


def locust_environment(load, port):
    return {"BENCH_PORT": str(port), "BENCH_INTERVAL": str(load.interval), "BENCH_SIZE": str(load.size),
            "BENCH_QOS": str(load.qos)}


def mqttv5(load, port):
    return [["mqttv5", "bench", "--host", "127.0.0.1", "--port", port, "--mode", "throughput", "--duration", "3600",
             "--warmup", "0", "--payload-size", load.size, "--qos", load.qos, "--publishers", load.clients,
             "--subscribers", "0", "--rate", round(load.offered())]]


def mqtt_benchmark(load, port):
    return [["mqtt-benchmark", "--broker", f"127.0.0.1:{port}", "--qos", load.qos, "--client-num", load.clients,
             "--size", "1000000000", "--payload", "." * load.size]]


WASMOTE = Contender("wasmote", "Wasmote, a Wasm behaviour",
                    lambda load, port: [wasmote_command(load, port)])
BARE = Contender("bare", "bare rumqttc, without Wasm", bare)
PYTHON = Contender("python", "Python devices (paho-mqtt and Flask), one process each", python_devices)
LOCUST = Contender("locust", "Locust with its MQTT user", locust, locust_environment)
MQTTV5 = Contender("mqttv5", "mqttv5-cli", mqttv5)
MQTT_BENCHMARK = Contender("mqtt-benchmark", "mqtt-benchmark", mqtt_benchmark, saturates=True)
ALL = [WASMOTE, BARE, PYTHON, LOCUST, MQTTV5, MQTT_BENCHMARK]


def prepare_peers():
    """Installs the Python devices and Locust into a separate virtual environment."""
    wanted = (PEERS / "requirements.txt").read_text()
    mark = FOLDER / "venv" / "requirements.txt"
    if mark.exists() and mark.read_text() == wanted:
        return
    print("bench: installing paho-mqtt, Flask and Locust into target/bench/venv, for comparison", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", FOLDER / "venv"], check=True)
    subprocess.run([python("pip"), "install", "--quiet", "--requirement", PEERS / "requirements.txt"], check=True)
    mark.write_text(wanted)


def missing(contender):
    """Reason why a contender cannot be measured, or None."""
    if contender in (PYTHON, LOCUST):
        return None if python(contender.key).exists() else "its Python packages are not installed"
    if contender in (MQTTV5, MQTT_BENCHMARK):
        crate = "mqttv5-cli" if contender is MQTTV5 else "mqtt-benchmark"
        return None if shutil.which(contender.key) else f"not installed (`cargo install {crate}`)"
    return None


def versions():
    """Versions of the measured programs, as they report them."""
    found = {}
    frozen = subprocess.run([python("pip"), "freeze"], capture_output=True, text=True) if python("pip").exists() else None
    for line in frozen.stdout.splitlines() if frozen else []:
        name, _, version = line.partition("==")
        if name.lower() in ("paho-mqtt", "flask", "locust"):
            found[name] = version
    for program in ["mqttv5", "mqtt-benchmark"]:
        if shutil.which(program):
            found[program] = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    return found
