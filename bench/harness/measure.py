"""Measurement of one contender at one load, counted at the broker."""

import dataclasses
import statistics
import time

from harness import contenders
from harness.mosquitto import Mosquitto
from harness.processes import Group


class Failed(Exception):
    """A contender did not run as required."""


@dataclasses.dataclass
class Sample:
    """One measurement."""

    seconds: float
    messages: int
    client_cpu: float
    broker_cpu: float
    memory_bytes: int
    clients: int

    def figures(self):
        """Figures for comparison: rates, and values per message or per device."""
        rate = self.messages / self.seconds
        return {
            "messages_per_second": rate,
            "cpu_us_per_message": self.client_cpu / self.messages * 1e6,
            "client_cores": self.client_cpu / self.seconds,
            "broker_cores": self.broker_cpu / self.seconds,
            "messages_per_core_second": self.messages / max(self.client_cpu, 1e-9),
            "memory_bytes_per_device": self.memory_bytes / self.clients,
        }


def wait_for_clients(broker, group, wanted, timeout):
    end = time.monotonic() + timeout
    while broker.counters.clients() < wanted:
        if group.ended():
            raise Failed(f"the contender ended with code {group.ended()[0]}; see {group.log.name}")
        if time.monotonic() > end:
            raise Failed(f"{broker.counters.clients()} of {wanted} clients were connected after {timeout} s")
        time.sleep(0.2)


def window(broker, group, clients, seconds):
    """Measures over some seconds. The broker publishes its counters once a second, so the window ends with an update."""
    first = broker.counters.next_messages()
    if first is None:
        raise Failed("no messages reach the broker")
    client_cpu, broker_cpu, began = group.cpu_seconds(), broker.cpu_seconds(), time.monotonic()
    time.sleep(seconds - 0.5)
    last = broker.counters.next_messages()
    if last is None:
        raise Failed("messages stopped reaching the broker")
    took = time.monotonic() - began
    # Processor time is read shortly after each counter update, so it is scaled to the span between the updates.
    return Sample(seconds=last[0] - first[0], messages=last[1] - first[1],
                  client_cpu=(group.cpu_seconds() - client_cpu) * (last[0] - first[0]) / took,
                  broker_cpu=broker.cpu_seconds() - broker_cpu, memory_bytes=group.memory_bytes(), clients=clients)


def once(contender, load, seconds, settle=2.0):
    """Starts a new broker and the contender, waits until all clients are connected, and measures."""
    contenders.FOLDER.mkdir(parents=True, exist_ok=True)
    log = contenders.FOLDER / f"{contender.key}.log"
    with Mosquitto() as broker:
        environment = contender.environment(load, broker.port)
        with Group(contender.commands(load, broker.port), log, environment) as group:
            wait_for_clients(broker, group, load.clients, 60 + load.clients / 100)
            time.sleep(settle)
            return window(broker, group, load.clients, seconds)


def side_by_side(plan, rounds, seconds, progress):
    """Measures the contenders in turn, in several rounds, so that disturbances of the machine affect all of them.

    `plan` is a list of contenders with their loads. Returns for each contender the list of its figures, by round."""
    found = {}
    for number in range(rounds):
        for contender, load in plan:
            try:
                figures = once(contender, load, seconds).figures()
            except Failed as failure:
                progress(f"  round {number + 1}: {contender.name}: {failure}")
                continue
            progress(f"  round {number + 1}: {contender.name}: {figures['messages_per_second']:,.0f} messages/s, "
                f"{figures['cpu_us_per_message']:.2f} µs of processor time per message")
            found.setdefault(contender.key, []).append(figures)
    return found


def summarize(samples):
    """Median, minimum and maximum of each figure."""
    names = samples[0].keys()
    columns = {name: [sample[name] for sample in samples] for name in names}
    return {name: {"median": statistics.median(values), "least": min(values), "most": max(values)}
            for name, values in columns.items()}
