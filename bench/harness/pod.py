"""A device in a pod with 64 MiB and a tenth of a processor: time to the first heartbeat, memory, and a longer run."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from harness import density
from harness.cgroup import Cgroup, CgroupUnavailable
from harness.contenders import FOLDER, ROOT, built
from harness.measure import Failed
from harness.mosquitto import Mosquitto, program
from harness.processes import Group
from harness.soak import trend

MEMORY_BYTES = 64 << 20
CORES = 0.1
# Goals.
BUILT_IN_SECONDS, UNSEEN_SECONDS, PEAK_BYTES = 0.5, 1.5, 48 << 20
# The first heartbeat has a random delay of up to one interval; a short interval makes this delay negligible.
SHORT_INTERVAL = "10ms"


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=10, help="starts of each kind [10]")
    parser.add_argument("--minutes", type=float, default=10, help="length of the run with realistic faults [10]")
    parser.add_argument("--devices", type=int, default=1, help="devices in the pod of that run [1]")
    parser.add_argument("--company", type=int, default=8, help="devices outside the pod, without limits [8]")
    parser.add_argument("--behaviour", default="heartbeat", help="built-in behaviour that publishes heartbeats or telemetry [heartbeat]")
    parser.add_argument("--compile", default="quick", choices=["quick", "full"], help="compile mode of the pod [quick]")
    parser.add_argument("--program", type=pathlib.Path, help="path of the program [target/dist/wasmote]")


def run(options, progress):
    rounds = 2 if options.quick else options.rounds
    minutes = 0.5 if options.quick else options.minutes
    FOLDER.mkdir(parents=True, exist_ok=True)
    binary = (options.program or built("wasmote")).resolve()
    if not binary.exists():
        raise Failed(f"{binary} was not found; run cargo build --profile dist --workspace --locked")
    try:
        with tempfile.TemporaryDirectory() as folder:
            pod = Pod(binary, pathlib.Path(folder), options)
            starts = {kind: start(pod, kind, rounds, progress) for kind in KINDS}
            steady = run_steady(pod, minutes * 60, options, progress)
    except CgroupUnavailable as problem:
        raise Failed(str(problem)) from problem
    return {"starts": starts, "steady": steady, "minutes": minutes, "program_bytes": binary.stat().st_size,
            "compile": options.compile, "behaviour": options.behaviour, "load": list(os.getloadavg())}


# Source of a pod's compiled code.
KINDS = {
    "built-in": "built in, precompiled",
    "unseen": "mounted, not in the cache",
    "again": "mounted, container restarted",
}


class Pod:
    """Folders of the pod, and the command and environment that start its program."""

    def __init__(self, binary, folder, options):
        self.options, self.original = options, binary
        # A separate copy, so that its pages can be dropped from the page cache: a pod is the first to read them on its node.
        self.binary = folder / "wasmote"
        shutil.copy(binary, self.binary)
        self.compiled = folder / "compiled"
        subprocess.run([self.binary, "behaviours", "precompile", "--out", self.compiled], check=True,
                       stdout=subprocess.DEVNULL)
        self.mounted = folder / "behaviours"
        self.mounted.mkdir()
        self.cache = folder / "cache"
        self.component = (ROOT / "behaviours" / "built" / f"{options.behaviour}.wasm").read_bytes()

    def mount(self, mark):
        """Mounts the component with an added custom section, so that it is in no cache."""
        name = b"mark"
        section = bytes([0, 1 + len(name) + len(mark), len(name)]) + name + mark.encode()
        (self.mounted / "behaviour.wasm").write_bytes(self.component + section)
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()

    def command(self, kind):
        return [self.binary, "run", self.options.behaviour if kind == "built-in" else self.mounted]

    def environment(self, kind, port, **more):
        """Environment variables as in the output of `wasmote manifests`."""
        variables = {"WASMOTE_DEVICE_ID": "pod-0", "WASMOTE_BROKER": f"mqtt://127.0.0.1:{port}",
                "WASMOTE_HTTP": "127.0.0.1:0", "WASMOTE_DEVICES": "1", "WASMOTE_PRECOMPILED": str(self.compiled)}
        if kind != "built-in":
            variables |= {"WASMOTE_WATCH": "true", "WASMOTE_CACHE": str(self.cache)}
            if self.options.compile != "full":
                variables["WASMOTE_COMPILE"] = self.options.compile
        return variables | more

    def drop_page_cache(self):
        """Drops the program and compiled code from the page cache."""
        os.sync()
        for path in [self.binary, *self.compiled.iterdir(), *self.cache.rglob("*.cwasm")]:
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class FirstMessageListener:
    """Independent subscriber (`mosquitto_sub`) that reports the time of the first message of a device."""

    def __init__(self, port):
        command = [program("mosquitto_sub"), "-i", "bench-listener", "-p", str(port), "-t", "wasmote/#", "-t", "ready",
                   "-F", "%U %t"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        subprocess.run([program("mosquitto_pub"), "-p", str(port), "-t", "ready", "-r", "-m", "yes"], check=True)
        assert self.wait_for_topic("ready")

    def wait_for_topic(self, end):
        for line in self.process.stdout:
            moment, topic = line.split()
            if topic.endswith(end):
                return float(moment)
        raise Failed("the broker closed the connection of the listener")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def topic_suffix(behaviour):
    return "/telemetry" if behaviour == "sensor" else "/heartbeat"


def log(name):
    path = FOLDER / f"pod-{name}.log"
    path.write_bytes(b"")
    return path


def start(pod, kind, rounds, progress):
    """Measures several starts, each with a new broker and control group. Every other start finds the program in the page
    cache."""
    samples = []
    for number in range(rounds):
        if kind != "again" or number == 0:
            pod.mount(f"{kind}-{number}")
        if kind == "again" and number == 0:
            one_start(pod, kind)
        is_cold = number % 2 == 0
        if is_cold:
            pod.drop_page_cache()
        samples.append(one_start(pod, kind) | {"cold": is_cold})
    seconds = sorted(sample["seconds"] for sample in samples)
    result = {"seconds": {"median": statistics.median(seconds), "least": seconds[0], "most": seconds[-1]},
              "peak_bytes": max(sample["peak_bytes"] for sample in samples),
              "resident_bytes": max(sample["resident_bytes"] for sample in samples),
              "times_full": sum(sample["times_full"] for sample in samples), "looks": samples}
    progress(f"  {KINDS[kind]}: first heartbeat after {result['seconds']['median']:.2f} s "
        f"({seconds[0]:.2f} to {seconds[-1]:.2f}), at most {result['peak_bytes'] / 2**20:.1f} MiB, "
        f"of which resident {result['resident_bytes'] / 2**20:.1f}")
    return result


def one_start(pod, kind):
    behaviour = pod.options.behaviour
    setting = "report_interval" if behaviour == "sensor" else "interval"
    with Mosquitto() as broker, FirstMessageListener(broker.port) as listener, Cgroup(MEMORY_BYTES, CORES) as cgroup:
        environment = pod.environment(kind, broker.port, WASMOTE_FAULTS="none",
                                      WASMOTE_DEVICE_CONFIG=json.dumps({setting: SHORT_INTERVAL}))
        began = time.time()
        with Group([cgroup.command_within(pod.command(kind))], log(kind), environment) as group:
            heard = listener.wait_for_topic(topic_suffix(behaviour))
            # Include memory that is used shortly after the start.
            time.sleep(2)
            return {"seconds": heard - began, **memory(group, cgroup)}


def memory(group, cgroup):
    status = pathlib.Path(f"/proc/{group.processes[0].pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"peak_bytes": cgroup.peak_bytes(), "resident_bytes": int(resident) * 1024,
            "times_full": cgroup.times_full(), **cgroup.parts_bytes()}


def run_steady(pod, seconds, options, progress):
    """Runs the pod with realistic faults for `seconds`, together with devices outside the pod."""
    pod.mount("steady")
    pod.drop_page_cache()
    with Mosquitto() as broker, Cgroup(MEMORY_BYTES, CORES) as cgroup:
        # Uses the original file, so that the pod is the first to read its copy.
        company = [[pod.original, "run", options.behaviour, "--devices", options.company, "--device-id", "company",
                    "--broker", f"mqtt://127.0.0.1:{broker.port}", "--http", "127.0.0.1:0", "--faults", "realistic",
                    "--log-messages", "off"]] if options.company else []
        variables = pod.environment("unseen", broker.port, WASMOTE_FAULTS="realistic", WASMOTE_DEVICES=str(options.devices))
        with Group(company, log("company")), Group([cgroup.command_within(pod.command("unseen"))], log("steady"), variables) as group:
            samples, throttled = watch(group, cgroup, seconds, progress), cgroup.throttled_seconds()
            figures = density.metrics(group) if not group.ended() else {}
            last = memory(group, cgroup) if not group.ended() else {"peak_bytes": cgroup.peak_bytes()}
        code = group.processes[0].returncode
    settled = samples[len(samples) // 3:]
    slope, error = trend([(at / 3600, used) for at, used, _ in settled]) if settled else (0.0, 0.0)
    result = {"seconds": samples[-1][0] if samples else 0.0, "code": code, "devices": options.devices,
              "company": options.company, "slope_bytes_per_hour": slope, "slope_error_bytes_per_hour": error,
              "cores": cores(settled), "throttled_seconds": throttled, "memory_bytes": samples[-1][1] if samples else 0,
              "figures": {key: figures.get(key) for key in ("sent", "received", "traps", "ledger_closes")},
              **last}
    progress(f"  {result['seconds'] / 60:.1f} min: at most {result['peak_bytes'] / 2**20:.1f} MiB, "
        f"{result['cores'] * 1000:.1f} thousandths of a processor, sent {figures.get('sent')}, "
        f"received {figures.get('received')}, ended with code {code}")
    return result


def watch(group, cgroup, seconds, progress):
    samples, began, last_report = [], time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds and not group.ended():
        samples.append((now, group.memory_bytes(), group.cpu_seconds()))
        if now - last_report > 60:
            last_report = now
            progress(f"  {now / 60:.0f} min: {samples[-1][1] / 2**20:.1f} MiB resident, {cgroup.used_bytes() / 2**20:.1f} in total")
        time.sleep(2)
    return samples


def cores(samples):
    if len(samples) < 2:
        return 0.0
    (began, _, before), (ended, _, after) = samples[0], samples[-1]
    return (after - before) / (ended - began)


def met(result):
    def first(kind, goal):
        seconds = result["starts"][kind]["seconds"]
        shown = f"{seconds['median']:.2f} s ({seconds['least']:.2f} to {seconds['most']:.2f})"
        return (f"0.1 CPU and 64 MiB, first heartbeat at the broker, {KINDS[kind]}", f"under {goal} s", shown,
                seconds["most"] < goal)

    steady = result["steady"]
    peak = max([one["peak_bytes"] for one in result["starts"].values()] + [steady["peak_bytes"]])
    lasted = steady["seconds"] >= result["minutes"] * 60 - 5 and steady["code"] in (0, 130)
    whole = steady["figures"]["traps"] == 0 and steady["figures"]["ledger_closes"]
    return [first("built-in", BUILT_IN_SECONDS), first("unseen", UNSEEN_SECONDS), first("again", BUILT_IN_SECONDS),
            ("0.1 CPU and 64 MiB, peak memory of the control group", "under 48 MiB", f"{peak / 2**20:.1f} MiB",
             peak < PEAK_BYTES),
            (f"0.1 CPU and 64 MiB, realistic faults for {result['minutes']:g} min", "steady",
             f"{steady['seconds'] / 60:.1f} min, {steady['figures']['traps']} traps", lasted and whole)]
