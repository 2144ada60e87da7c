"""Writes docs/benchmarks.md from the last results."""

import datetime
import json
import os
import pathlib
import platform
import subprocess

from harness import contenders
from harness.pod import KINDS

HEAD = """# Benchmarks

`make bench` writes this page ([method](../bench/README.md)). Throughput is counted at the broker; every measurement has its
own Mosquitto, and the contenders take turns, round after round. Every figure is a median, followed by the minimum and
maximum if there are several values. Memory is proportional set size. Processor time is that of the client side alone, in
user and kernel mode. The section [missed goals](../bench/README.md#missed-goals-and-profiles) has the reasons.
"""


def write(results, path):
    parts = [HEAD, machine(results), targets(results)]
    sections = {"throughput": throughput, "saturation": saturation, "memory": memory, "density": density, "scaling": scaling, "soak": soak,
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
    """Properties of the machine at the time of the measurement."""
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
    """Table of the machine. All scenarios of a page are from one machine; times and loads may differ."""
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
    return "## Goals\n\n" + table(["goal", "target", "measured", "reached"], cells)


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
                name = contender.name + (" (at its maximum rate)" if contender.saturates else "")
                rows.append((name, result["loads"][qos][contender.key], spread(one["messages_per_second"]),
                             spread(one["cpu_us_per_message"], digits=2), spread(one["messages_per_core_second"]),
                             spread(one["memory_bytes_per_device"], 1 / 1024, 1)))
            text += table(["contender", "load", "messages/s at the broker", "processor time per message, µs",
                           "messages per core-second", "memory per device, KiB"], rows) + "\n"
        text += "".join(f"{name} was not measured: {why}.\n" for name, why in result["left_out"].items())
        commands = "\n".join(result["commands"].values())
        text += f"\nCommands for QoS {min(result['qos'])}:\n\n<!-- not run: the benchmarks run them, on a machine of their own -->\n```sh\n{commands}\n```\n\n"
    return text


def saturation(found):
    text = ("## Saturation\n\nThe clients offer more messages than the broker takes. What the sockets do not take is refused and "
            "counted by the host, and not sent by bare rumqttc, so each contender also works on messages that never leave.\n\n")
    for result in found.values():
        for qos, of in result["qos"].items():
            text += f"{result['loads'][qos]}, {result['rounds']} rounds of {result['seconds']:g} s:\n\n"
            rows = [(contender.name, spread(of[contender.key]["messages_per_second"]),
                     spread(of[contender.key]["cpu_us_per_message"], digits=2),
                     spread(of[contender.key]["client_cores"], digits=2),
                     spread(of[contender.key]["broker_cores"], digits=2))
                    for contender in contenders.ALL if contender.key in of]
            ratios = of["ratios"]
            rows.append(("ratio, by round", spread(ratios["messages_per_second"], digits=2),
                         spread(ratios["cpu_us_per_message"], digits=2), "", ""))
            text += table(["contender", "messages/s at the broker", "processor time per message, µs",
                           "cores of the clients", "cores of the broker"], rows) + "\n"
            text += "".join(f"Not measured: {failure}.\n" for failure in of["failures"])
    return text


def memory(found):
    text = "## Memory of a device, by component\n\n"
    rows = []
    for one in found.values():
        parts = (one["device_bytes"], one["instance_bytes"], one["device_bytes"] - one["instance_bytes"],
                 one["client_bytes"])
        kib = [f"{part / 1024:.1f}" for part in parts]
        rows.append((f"{one['devices']:,}", *kib, f"{one['process_bytes'] / 2**20:.1f}"))
    text += table(["devices", "memory per device, KiB", "instance, KiB", "connection and other, KiB",
                   "for comparison: a bare rumqttc client, KiB", "process without devices, MiB"], rows)
    return text + ("\nAn instance is a device without a connection (`instances`): the sandbox with its linear memory, its "
                   "state machine, faults and ledger. The rest is its MQTT client with its socket, and the bookkeeping, "
                   "queues and timers of shards. The bare rumqttc client handles the same load.\n")


def fleets(found):
    return [(f"{it['devices']:,}", it["brokers"], f"{it['heard']:,}",
             f"{it['connects_per_second']:,.0f}" if it["connects_per_second"] else "", f"{it['up_seconds']:.1f}",
             f"{it['messages_per_second']:,.0f}", f"{it['memory_bytes_per_device'] / 1024:.1f}",
             f"{it['cpu_us_per_message']:.1f}", f"{it['descriptors']:,}", f"{it['slowest_answer_seconds']:.2f}")
            for it in found]


FLEET = ["devices", "broker", "heard", "connections/s", "time until all were connected, s", "messages/s",
         "memory per device, KiB", "processor time per message, µs", "file descriptors", "slowest HTTP answer, s"]


def density(found):
    return ("## Large fleets\n\nA device counts as heard when an independent subscriber has received a message from "
            "it.\n\n" + table(FLEET, fleets(found.values())))


def scaling(found):
    text = "## The same message rate from more devices\n\n"
    for one in found.values():
        text += f"{one['rate']:,.0f} messages per second in total.\n\n" + table(FLEET, fleets(one["fleets"])) + "\n"
    return text


def soak(found):
    rows = [(f"{it['devices']:,}", f"{it['minutes']:g} min", f"{it['connects']:,}", f"{it['sent']:,}",
             f"{it['memory_bytes'] / 2**20:.1f}",
             f"{it['slope_bytes_per_hour'] / 2**20:+.2f} ± {it['slope_error_bytes_per_hour'] / 2**20:.2f}",
             f"{it['descriptors_before']:.0f} → {it['descriptors_after']:.0f}", it["traps"],
             "closes" if it["ledger_closes"] else "**does not close**") for it in found.values()]
    return "## Long run\n\nHeartbeats with realistic faults: connections break and are restored all the time.\n\n" + table(
        ["devices", "duration", "connections", "messages sent", "memory, MiB", "growth, MiB per hour", "file descriptors",
         "traps", "ledger"], rows)


def pod(found):
    text = "## In a pod\n\n"
    for one in found.values():
        rows = [(KINDS[kind], spread(it["seconds"], digits=2), f"{it['peak_bytes'] / 2**20:.1f}",
                 f"{it['resident_bytes'] / 2**20:.1f}") for kind, it in one["starts"].items()]
        text += (f"A control group of 64 MiB, without swap, and 0.1 CPU; `{one['behaviour']}`, compiled with "
                 f"`--compile {one['compile']}`. Every other start reads the program from disk.\n\n")
        text += table(["code", "time to the first heartbeat at the broker, s", "peak memory, MiB", "resident, MiB"], rows)
        steady = one["steady"]
        text += (f"\nWith realistic faults for {steady['seconds'] / 60:.1f} minutes, {steady['devices']} in the group and "
                 f"{steady['company']} outside: at most {steady['peak_bytes'] / 2**20:.1f} MiB, "
                 f"{steady['memory_bytes'] / 2**20:.1f} MiB resident at the end, {steady['cores'] * 1000:.0f} thousandths of "
                 f"a processor; {steady['figures']['sent']:,} sent, {steady['figures']['received']:,} received.\n")
    return text


def virtual(found):
    rows = [(rate["through"], f"{rate['devices']:,}",
             f"{rate['events_per_second']:,.0f} ({rate['least']:,.0f} to {rate['most']:,.0f})",
             f"{rate['fleet_events_per_second']:,.0f}", f"{rate['speed_up']:,.0f} ×", f"`{rate['digest'][:12]}…`")
            for result in found.values() for rate in result["rates"]]
    return ("## Virtual time, on one core\n\nEvery device publishes once a second without subscribers, and the digest is "
            "computed. The speed-up is the events per second divided by the events per second of the fleet in real time. An "
            "experiment also writes counts, logs and tables, and its time is that of a whole run.\n\n"
            + table(["behaviour", "devices", "events/s", "events/s of the fleet in real time", "speed-up", "digest"], rows))


def hot_paths():
    """Medians of Criterion, if `cargo bench` has been run."""
    rows = []
    for file in sorted((contenders.TARGET / "criterion").glob("**/new/estimates.json")):
        median = json.loads(file.read_text())["median"]
        low, high = (median["confidence_interval"][key] for key in ("lower_bound", "upper_bound"))
        name = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
        rows.append((name, f"{median['point_estimate']:,.0f} ns ({low:,.0f} to {high:,.0f})"))
    if not rows:
        return ""
    return "## Hot paths\n\nMedians of `cargo bench`, with their 95 % confidence intervals.\n\n" + table(
        ["benchmark", "time"], rows)
