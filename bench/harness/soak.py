"""Long run: checks that memory does not grow and that file descriptors do not leak."""

import statistics
import time

from harness import density
from harness.contenders import FOLDER, built
from harness.mosquitto import Mosquitto
from harness.processes import Group


def add_arguments(parser):
    parser.add_argument("--minutes", type=float, default=30, help="length of the run [30]")
    parser.add_argument("--devices", type=int, default=1_000, help="devices [1000]")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples [5]")


def run(options, progress):
    minutes = 2 if options.quick else options.minutes
    devices = 100 if options.quick else options.devices
    every = 1 if options.quick else options.every
    log = FOLDER / "soak.log"
    FOLDER.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with Mosquitto() as broker:
        # With the default faults, so that connections break and are restored all the time.
        command = [built("wasmote"), "run", "heartbeat", "--devices", devices, "--device-config", "peers=2",
                   "--broker", f"mqtt://127.0.0.1:{broker.port}", "--faults", "realistic", "--seed", "7",
                   "--http", "127.0.0.1:0", "--log", "json", "--log-messages", "off"]
        with Group([command], log) as group:
            samples = watch(group, minutes * 60, every, progress)
            at_the_end = density.metrics(group)
        code = group.processes[0].returncode
    return evaluate(samples, devices, minutes, at_the_end, code, progress)


def watch(group, seconds, every, progress):
    samples, began, last_report = [], time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds and not group.ended():
        samples.append((now, group.memory_bytes(), group.descriptors()))
        if now - last_report > 60:
            last_report = now
            progress(f"  {now / 60:.0f} min: {samples[-1][1] / 2**20:.1f} MiB, {samples[-1][2]} descriptors")
        time.sleep(every)
    return samples


def evaluate(samples, devices, minutes, metrics, code, progress):
    # The first third is start-up time, in which tables and histories fill.
    settled = samples[len(samples) // 3:]
    slope, error = trend([(at / 3600, memory) for at, memory, _ in settled])
    third = max(len(settled) // 3, 1)
    before = statistics.median(descriptors for *_, descriptors in settled[:third])
    after = statistics.median(descriptors for *_, descriptors in settled[-third:])
    result = {"devices": devices, "minutes": minutes, "code": code, "slope_bytes_per_hour": slope,
              "slope_error_bytes_per_hour": error, "memory_bytes": settled[-1][1], "descriptors_before": before,
              "descriptors_after": after, "connects": metrics["connects"], "sent": metrics["sent"],
              "traps": metrics["traps"], "ledger_closes": metrics["ledger_closes"]}
    progress(f"  memory grows by {slope / 2**20:.2f} ± {error / 2**20:.2f} MiB per hour, at {settled[-1][1] / 2**20:.1f}; "
        f"descriptors {before:.0f}, then {after:.0f}; {metrics['connects']:,} connections")
    return result


def trend(points, blocks=8):
    """Slope of a line through the points, and twice its standard error. Consecutive samples are correlated, so the
    error is estimated from blocks."""
    size = max(len(points) // blocks, 1)
    grouped = [points[at:at + size] for at in range(0, len(points) - size + 1, size)]
    means = [(statistics.fmean(x for x, _ in block), statistics.fmean(y for _, y in block)) for block in grouped]
    if len(means) < 3:
        return 0.0, float("inf")
    x_mean, y_mean = (statistics.fmean(column) for column in zip(*means))
    spread = sum((x - x_mean) ** 2 for x, _ in means)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in means) / spread
    rest = sum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in means) / (len(means) - 2)
    return slope, 2 * (rest / spread) ** 0.5


def met(result):
    slope, error = result["slope_bytes_per_hour"], result["slope_error_bytes_per_hour"]
    flat = slope <= error
    # Disconnected devices have no file descriptor, so the number varies by a few per cent.
    leaked = result["descriptors_after"] - result["descriptors_before"]
    return [
        (f"memory over {result['minutes']:g} min", "slope zero within noise",
         f"{slope / 2**20:+.2f} ± {error / 2**20:.2f} MiB per hour", flat),
        (f"file descriptors over {result['minutes']:g} min", "none leaked",
         f"{result['descriptors_before']:.0f}, then {result['descriptors_after']:.0f}",
         leaked <= 0.03 * result["devices"]),
    ]
