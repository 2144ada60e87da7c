"""Large fleets: a subscriber checks that every device publishes."""

import json
import re
import time
import urllib.request

from harness import contenders
from harness.contenders import Load, wasmote_command
from harness.measure import Failed
from harness.mosquitto import Listener, Mosquitto
from harness.processes import Group


def add_arguments(parser):
    parser.add_argument("--devices", type=int, help="number of devices [19000]")
    parser.add_argument("--processes", type=int, default=1, help="processes, each with its own Mosquitto [1]")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker instead of Mosquitto")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between messages of a device [5]")
    parser.add_argument("--seconds", type=float, default=30, help="seconds of measurement after all are connected [30]")
    parser.add_argument("--patience", dest="timeout", type=float, default=600, help="maximum seconds until all are connected [600]")


def run(options, progress):
    devices = options.devices or (1_000 if options.quick else 19_000)
    seconds = 6 if options.quick else options.seconds
    interval = min(options.interval, 2.0) if options.quick else options.interval
    if options.embedded:
        return embedded(devices, interval, seconds, options.timeout, progress)
    return over_tcp(devices, options.processes, interval, seconds, options.timeout, progress)


def over_tcp(devices, processes, interval, seconds, timeout, progress):
    brokers = [Mosquitto(connections_logged=True) for _ in range(processes)]
    try:
        began = time.monotonic()
        hosts = [host(broker.port, devices, interval, f"{number + 1}-of-{processes}",
                      ["--shard", f"{number + 1}/{processes}"] if processes > 1 else [])
                 for number, broker in enumerate(brokers)]
        try:
            wait(lambda: sum(len(broker.connects) for broker in brokers), devices, hosts, timeout, progress)
            connects = sorted(moment for broker in brokers for moment in broker.connects)[:devices]
            result = watch(hosts, [broker.port for broker in brokers], devices, interval, seconds, progress)
        finally:
            for one in hosts:
                one.stop(timeout=60)
    finally:
        for broker in brokers:
            broker.__exit__()
    span = connects[-1] - connects[0]
    result.update(processes=processes, brokers=f"{processes} × Mosquitto over TCP", up_seconds=connects[-1] - began,
                  connects_per_second=(devices - 1) / span if span > 0 else None)
    progress(f"  {result['connects_per_second']:,.0f} connections/s at the broker")
    return result


def host(port, devices, interval, name, more=()):
    contenders.FOLDER.mkdir(parents=True, exist_ok=True)
    log = contenders.FOLDER / f"density-{name}.log"
    log.write_bytes(b"")
    return Group([wasmote_command(Load(devices, interval, 0), port, more=more)], log)


def wait(count, wanted, hosts, timeout, progress):
    end = time.monotonic() + timeout
    while count() < wanted:
        for one in hosts:
            if one.ended():
                last = open(one.log.name, encoding="utf-8", errors="replace").read().strip().splitlines()[-1:]
                raise Failed(f"the host ended with code {one.ended()[0]}: {' '.join(last)}")
        if time.monotonic() > end:
            raise Failed(f"{count()} of {wanted} devices are connected after {timeout} s")
        time.sleep(0.1)
    progress(f"  {count():,} connected")


def watch(hosts, ports, devices, interval, seconds, progress):
    """Waits until every device was heard, then measures the hosts."""
    listeners = [Listener(port, "wasmote/+/load") for port in ports]
    try:
        end = time.monotonic() + max(20 * interval, 60)
        heard = lambda: sum(len(it.topics) for it in listeners)  # noqa: E731
        while heard() < devices and time.monotonic() < end:
            time.sleep(0.2)
        before = sum(sum(it.topics.copy().values()) for it in listeners)
        cpu, began = sum(one.cpu_seconds() for one in hosts), time.monotonic()
        slowest = 0.0
        for _ in range(3):
            time.sleep(seconds / 3)
            slowest = max([slowest, *[slowest_response(one) for one in hosts]])
        took = time.monotonic() - began
        messages = sum(sum(it.topics.copy().values()) for it in listeners) - before
        cpu = sum(one.cpu_seconds() for one in hosts) - cpu
        memory = sum(one.memory_bytes() for one in hosts)
        result = {"devices": devices, "heard": heard(), "interval": interval, "seconds": took,
                  "messages_per_second": messages / took, "memory_bytes_per_device": memory / devices,
                  "cpu_us_per_message": cpu / max(messages, 1) * 1e6, "client_cores": cpu / took,
                  "descriptors": sum(one.descriptors() for one in hosts), "slowest_answer_seconds": slowest}
    finally:
        for listener in listeners:
            listener.__exit__()
    progress(f"  {result['heard']:,} of {devices:,} heard by an independent subscriber, "
        f"{result['messages_per_second']:,.0f} messages/s, {memory / devices / 1024:.1f} KiB per device, "
        f"{result['cpu_us_per_message']:.1f} µs of processor time per message")
    return result


def url(group):
    """URL of a host's HTTP API, read from its log."""
    text = open(group.log.name, encoding="utf-8", errors="replace").read()
    found = re.search(r"http://127\.0\.0\.1:\d+", text)
    return found and found.group(0)


def slowest_response(group):
    """Longest response time, in seconds, of status, metrics and a page of devices."""
    base, slowest = url(group), 0.0
    for path in ["/status", "/metrics", "/devices?limit=100"] if base else []:
        began = time.monotonic()
        with urllib.request.urlopen(base + path, timeout=60) as answer:
            answer.read()
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def metrics(group):
    with urllib.request.urlopen(url(group) + "/metrics", timeout=60) as answer:
        return json.load(answer)


def embedded(devices, interval, seconds, timeout, progress):
    one = host(None, devices, interval, "embedded")
    try:
        began = time.monotonic()
        wait(lambda: connected(one), devices, [one], timeout, progress)
        up = time.monotonic() - began
        port = int(re.search(r"mqtt://127\.0\.0\.1:(\d+)", open(one.log.name, encoding="utf-8").read()).group(1))
        result = watch([one], [port], devices, interval, seconds, progress)
    finally:
        one.stop(timeout=120)
    result.update(processes=1, brokers="embedded, with an external subscriber over TCP", up_seconds=up,
                  connects_per_second=devices / up)
    return result


def connected(group):
    try:
        return metrics(group)["devices"]["connected"] if url(group) else 0
    except OSError:
        return 0


def met(result):
    rows = []
    tcp = result["brokers"].startswith("1 ×")
    if tcp and result["devices"] >= 1_000:
        rows.append(("connections per second at the broker", "4,000", f"{result['connects_per_second']:,.0f}",
                     result["connects_per_second"] >= 4_000))
    heard = f"{result['heard']:,} of {result['devices']:,}"
    rows.append((f"devices heard, {result['brokers']}", "all", heard, result["heard"] >= result["devices"]))
    if tcp and 9_000 <= result["devices"] <= 11_000:
        kib = result["memory_bytes_per_device"] / 1024
        rows.append(("memory per device at 10,000 over TCP", "64 KiB", f"{kib:.1f} KiB", kib <= 64))
    return rows
