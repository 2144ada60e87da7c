"""docs/benchmarks.md, from what was measured last."""

import datetime
import json
import os
import pathlib
import platform
import subprocess

from harness import contenders
from harness.pod import KINDS

HEAD = """# Benchmarks

Written by `make bench` ([how it measures](../bench/README.md)). Throughput is counted at the broker, a Mosquitto of its
own for every measurement, with the contenders in turn, again and again. Every figure is a median, with the least and
the most beside it where there are several. Memory is proportional set size; processor time is that of the client side
alone, in user and kernel mode. Why a goal was missed stands [beside the method](../bench/README.md#what-is-not-reached-and-where-the-time-goes).
"""


def write(results, path):
    parts = [HEAD, machine(results), targets(results)]
    sections = {"throughput": throughput, "memory": memory, "density": density, "scaling": scaling, "soak": soak,
                "virtual": virtual, "pod": pod}
    for name, section in sections.items():
        found = {key: result for key, result in results.items() if key.split("-")[0] == name}
        if found:
            parts.append(section(found))
    parts.append(hot_paths())
    pathlib.Path(path).write_text("\n".join(part for part in parts if part))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def first_line(command):
    output = subprocess.run(command, capture_output=True, text=True)
    return (output.stdout or output.stderr).strip().splitlines()[0]


def facts():
    """The machine, as it was when this was measured."""
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                      if line.startswith("model name")), platform.machine())
    memory = int(open("/proc/meminfo", encoding="ascii").readline().split()[1]) / 2**20
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    from harness.mosquitto import program
    broker = first_line([program("mosquitto"), "-h"])
    return {"Processor": f"{os.cpu_count()} × {processor}", "Memory": f"{memory:.0f} GiB", "System": system,
            "Kernel": platform.release(), "Rust": first_line(["rustc", "--version"]), "Broker": broker,
            "Load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
            "Measured": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


def machine(results):
    """All scenarios of one page are of one machine; times and loads may differ."""
    rows = {}
    for name, result in sorted(results.items()):
        for key, value in result["facts"].items():
            seen = rows.setdefault(key, {})
            seen.setdefault(value, []).append(name)
    cells = [(key, "<br>".join(value if len(seen) == 1 else f"{value} ({', '.join(names)})"
                               for value, names in seen.items())) for key, seen in rows.items()]
    versions = next((r["versions"] for r in results.values() if r.get("versions")), {})
    cells += [(name, version) for name, version in versions.items()]
    return "## Machine\n\n" + table(["", ""], cells)


def targets(results):
    rows = [row for result in results.values() for row in result["met"]]
    cells = [(what, wanted, reached, "yes" if good else "**no**") for what, wanted, reached, good in rows]
    return "## What was to be shown\n\n" + table(["what", "at least", "measured", "reached"], cells)


def spread(figure, scale=1.0, digits=0):
    shown = [f"{figure[name] * scale:,.{digits}f}" for name in ("median", "least", "most")]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def throughput(found):
    text = "## Side by side\n\n"
    for result in found.values():
        for qos, of in result["qos"].items():
            text += f"QoS {qos}, {result['rounds']} rounds of {result['seconds']:g} s:\n\n"
            rows = []
            for contender in contenders.ALL:
                if contender.key not in of:
                    continue
                one = of[contender.key]
                name = contender.name + (" (as fast as it can)" if contender.saturates else "")
                rows.append((name, result["loads"][qos][contender.key], spread(one["messages_per_second"]),
                             spread(one["cpu_us_per_message"], digits=2), spread(one["messages_per_core_second"]),
                             spread(one["memory_bytes_per_device"], 1 / 1024, 1)))
            text += table(["who", "asked for", "messages/s at the broker", "µs of processor a message",
                           "messages a second and core", "KiB a device"], rows) + "\n"
        text += "".join(f"{name} was left out: {why}.\n" for name, why in result["left_out"].items())
        commands = "\n".join(result["commands"].values())
        text += f"\nCommands, with QoS {min(result['qos'])}:\n\n```sh\n{commands}\n```\n\n"
    return text


def memory(found):
    text = "## Memory of a device, in parts\n\n"
    rows = []
    for one in found.values():
        parts = (one["device_bytes"], one["instance_bytes"], one["device_bytes"] - one["instance_bytes"],
                 one["client_bytes"])
        kib = [f"{part / 1024:.1f}" for part in parts]
        rows.append((f"{one['devices']:,}", *kib, f"{one['process_bytes'] / 2**20:.1f}"))
    text += table(["devices", "KiB a device", "instance", "connection and the rest",
                          "beside: a bare rumqttc client", "the process itself, MiB"], rows)
    return text + ("\nAn instance is a device without a connection (`instances`): the sandbox with its linear memory, its "
                   "state machine, faults and ledger. What is left is its MQTT client with its socket, and the books, "
                   "queues and timers of shards. Beside it is what a bare rumqttc client takes that does the same.\n")


def fleets(found):
    return [(f"{it['devices']:,}", it["brokers"], f"{it['heard']:,}",
             f"{it['connects_per_second']:,.0f}" if it["connects_per_second"] else "", f"{it['up_seconds']:.1f}",
             f"{it['messages_per_second']:,.0f}", f"{it['memory_bytes_per_device'] / 1024:.1f}",
             f"{it['cpu_us_per_message']:.1f}", f"{it['descriptors']:,}", f"{it['slowest_answer_seconds']:.2f}")
            for it in found]


FLEET = ["devices", "broker", "heard", "connects/s", "s until all were up", "messages/s", "KiB a device",
         "µs of processor a message", "descriptors", "slowest answer over HTTP, s"]


def density(found):
    return ("## Very many devices\n\nEach device counts as heard when a subscriber of another make was given a message of "
            "it.\n\n" + table(FLEET, fleets(found.values())))


def scaling(found):
    text = "## The same messages from more devices\n\n"
    for one in found.values():
        text += f"{one['rate']:,.0f} messages a second in all.\n\n" + table(FLEET, fleets(one["fleets"])) + "\n"
    return text


def soak(found):
    rows = [(f"{it['devices']:,}", f"{it['minutes']:g} min", f"{it['connects']:,}", f"{it['sent']:,}",
             f"{it['memory_bytes'] / 2**20:.1f}",
             f"{it['slope_bytes_per_hour'] / 2**20:+.2f} ± {it['slope_error_bytes_per_hour'] / 2**20:.2f}",
             f"{it['descriptors_before']:.0f} → {it['descriptors_after']:.0f}", it["traps"],
             "closes" if it["ledger_closes"] else "**does not close**") for it in found.values()]
    return "## A long run\n\nHeartbeats with realistic faults: connections break and come back all the time.\n\n" + table(
        ["devices", "ran", "connects", "sent", "MiB", "MiB an hour", "descriptors", "traps", "ledger"], rows)


def pod(found):
    text = "## In a pod\n\n"
    for one in found.values():
        rows = [(KINDS[kind], spread(it["seconds"], digits=2), f"{it['peak_bytes'] / 2**20:.1f}",
                 f"{it['resident_bytes'] / 2**20:.1f}") for kind, it in one["starts"].items()]
        text += (f"A control group of 64 MiB, without swap, and 0.1 CPU; `{one['behaviour']}`, compiled with "
                 f"`{one['compile']}`. Every other start has to read the program from disk.\n\n")
        text += table(["code", "s to the first heartbeat at the broker", "most memory, MiB", "resident, MiB"], rows)
        steady = one["steady"]
        text += (f"\nWith realistic faults for {steady['seconds'] / 60:.1f} minutes, {steady['devices']} beside "
                 f"{steady['company']} others: at most {steady['peak_bytes'] / 2**20:.1f} MiB, "
                 f"{steady['memory_bytes'] / 2**20:.1f} resident at the end, {steady['cores'] * 1000:.0f} thousandths of a "
                 f"processor; {steady['figures']['sent']:,} sent, {steady['figures']['received']:,} received.\n")
    return text


def virtual(found):
    rows = [(rate["through"], f"{rate['devices']:,}",
             f"{rate['events_per_second']:,.0f} ({rate['least']:,.0f} to {rate['most']:,.0f})",
             f"{rate['fleet_events_per_second']:,.0f}", f"{rate['speed_up']:,.0f} ×", f"`{rate['digest'][:12]}…`")
            for result in found.values() for rate in result["rates"]]
    return ("## Virtual time, on one core\n\nEvery device publishes once a second, nobody listens, the digest is on. The "
            "speed-up is events a second divided by the fleet's. An experiment keeps accounts, logs and tables as well, and "
            "its time is that of a whole run.\n\n"
            + table(["through", "devices", "events/s", "the fleet's events/s", "speed-up", "digest"], rows))


def hot_paths():
    """Criterion's medians, where `cargo bench` has left them."""
    rows = []
    for file in sorted((contenders.TARGET / "criterion").glob("**/new/estimates.json")):
        median = json.loads(file.read_text())["median"]
        low, high = (median["confidence_interval"][key] for key in ("lower_bound", "upper_bound"))
        name = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
        rows.append((name, f"{median['point_estimate']:,.0f} ns ({low:,.0f} to {high:,.0f})"))
    if not rows:
        return ""
    return "## Hot paths\n\nBy `cargo bench`: medians, with their 95 % confidence intervals.\n\n" + table(
        ["what", "time"], rows)
