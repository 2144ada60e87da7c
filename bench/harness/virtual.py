"""Speed of virtual time, of the simulation alone and of a whole experiment."""

import json
import pathlib
import statistics
import subprocess
import tempfile

from harness.contenders import ROOT, built

PLAN = """
name = "rate"
duration = "{seconds}s"
log_messages = "off"

[[group]]
behaviour = "heartbeat"
count = {devices}
config = {{ interval = "1s", peers = 0 }}
"""


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="rounds of measurement [5]")
    parser.add_argument("--devices", type=int, default=1_000, help="number of devices of the experiment [1000]")


def run(options, progress):
    rounds, messages = (1, 100_000) if options.quick else (options.rounds, 1_000_000)
    lines = {}
    for _ in range(rounds):
        command = [built("virtual-rate"), "--json", "--messages", str(messages)]
        output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        for line in map(json.loads, output.stdout.splitlines()):
            lines.setdefault((line["through"], line["devices"]), []).append(line)
    rates = [summarize(samples) for samples in lines.values()]
    rates.append(summarize([experiment(options.devices, messages // options.devices) for _ in range(rounds)]))
    for rate in rates:
        progress(f"  {rate['through']:>15} {rate['devices']:>7,} devices: {rate['events_per_second'] / 1e6:.2f} million events/s "
            f"({rate['least'] / 1e6:.2f} to {rate['most'] / 1e6:.2f}); the fleet has "
            f"{rate['fleet_events_per_second']:,.0f} events/s in real time: {rate['speed_up']:,.0f} times faster than real time")
    return {"rounds": rounds, "rates": rates}


def summarize(samples):
    if len({sample["digest"] for sample in samples}) > 1:
        raise SystemExit("the digests of equal runs differ")
    speeds = [sample["events_per_second"] for sample in samples]
    middle = min(samples, key=lambda it: abs(it["events_per_second"] - statistics.median(speeds)))
    return {**middle, "least": min(speeds), "most": max(speeds)}


def experiment(devices, seconds):
    """The same fleet as an experiment with counts, logs and tables, from an empty folder to all results."""
    with tempfile.TemporaryDirectory() as folder:
        plan = pathlib.Path(folder) / "plan.toml"
        plan.write_text(PLAN.format(devices=devices, seconds=max(seconds, 10)))
        output = subprocess.run([built("wasmote"), "experiment", "run", plan, "--workers", "1", "--json"], cwd=folder,
                                check=True, capture_output=True, text=True)
        run = json.loads(output.stdout)["runs"][0]
    took, length = run["real_seconds"], max(seconds, 10)
    return {"through": "experiment", "devices": devices, "events": run["events"], "real_seconds": took,
            "events_per_second": run["events"] / took, "fleet_events_per_second": run["events"] / length,
            "speed_up": length / took, "digest": run["digest"]}


def met(result):
    rows = []
    for rate in result["rates"]:
        if rate["devices"] == 1_000:
            rows.append((f"events per second in virtual time at 1,000 devices, {rate['through']}", "1,000,000",
                         f"{rate['events_per_second']:,.0f}", rate["events_per_second"] >= 1e6))
    return rows
