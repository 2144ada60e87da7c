"""Memory of a device, split into instance and connection, compared with a client of a library."""

import json
import subprocess
import time

from harness import density
from harness.contenders import BARE, FOLDER, PUBLISHER, Load, built
from harness.measure import wait_for_clients
from harness.mosquitto import Mosquitto
from harness.processes import Group


def add_arguments(parser):
    parser.add_argument("--devices", type=int, default=10_000, help="devices [10000]")
    parser.add_argument("--patience", dest="timeout", type=float, default=600, help="maximum seconds until all are connected [600]")


def run(options, progress):
    devices = 500 if options.quick else options.devices
    interval = 2.0 if options.quick else 5.0
    whole = density.over_tcp(devices, 1, interval, 6, options.timeout, progress)["memory_bytes_per_device"]
    # Subtract the memory of a process with almost no devices.
    small = density.over_tcp(10, 1, interval, 6, options.timeout, progress)["memory_bytes_per_device"] * 10
    output = subprocess.run([built("instances"), PUBLISHER, "--devices", str(devices)], check=True,
                            capture_output=True, text=True)
    instance = json.loads(output.stdout)["after_publishing_bytes"]
    client = slope(clients(devices, interval, options.timeout), clients(10, interval, options.timeout), devices)
    device = (whole * devices - small) / (devices - 10)
    result = {"devices": devices, "whole_bytes": whole, "device_bytes": device, "instance_bytes": instance,
              "client_bytes": client, "process_bytes": small}
    progress(f"  a device takes {device / 1024:.1f} KiB: instance {instance / 1024:.1f}, connection and other "
        f"{(device - instance) / 1024:.1f}; a bare rumqttc client {client / 1024:.1f}; process without devices {small / 1024 / 1024:.1f} MiB")
    return result


def slope(many, few, devices):
    return (many - few) / (devices - 10)


def clients(count, interval, timeout):
    """Memory of a process with bare rumqttc clients under the same load."""
    load = Load(count, interval, 0)
    with Mosquitto() as broker, Group(BARE.commands(load, broker.port), FOLDER / "memory-bare.log") as group:
        wait_for_clients(broker, group, count, timeout)
        time.sleep(2 * interval)
        return group.memory_bytes()


def met(_result):
    return []
