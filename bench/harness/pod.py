"""One pod: a device with 64 MiB and a tenth of a processor, from its start to its first heartbeat, and for a while."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from harness import density
from harness.cgroup import Cgroup, Unable
from harness.contenders import FOLDER, ROOT, built
from harness.measure import Failed
from harness.mosquitto import Mosquitto, program
from harness.processes import Group
from harness.soak import trend

MEMORY_BYTES = 64 << 20
CORES = 0.1
# What is to be shown.
BUILT_IN_SECONDS, UNSEEN_SECONDS, PEAK_BYTES = 0.5, 1.5, 48 << 20
# A heartbeat comes at a random point of its first interval: this short, it is the start that is measured.
SOON = "10ms"


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=10, help="starts of each kind [10]")
    parser.add_argument("--minutes", type=float, default=10, help="how long one goes on with realistic faults [10]")
    parser.add_argument("--devices", type=int, default=1, help="devices in the pod that goes on [1]")
    parser.add_argument("--company", type=int, default=8, help="devices beside it, without limits [8]")
    parser.add_argument("--behaviour", default="heartbeat", help="a built-in one with a heartbeat or telemetry [heartbeat]")
    parser.add_argument("--compile", default="quick", choices=["quick", "full"], help="as pods are told to [quick]")
    parser.add_argument("--program", type=pathlib.Path, help="the program [target/dist/wasmote]")


def run(options, say):
    rounds = 2 if options.quick else options.rounds
    minutes = 0.5 if options.quick else options.minutes
    FOLDER.mkdir(parents=True, exist_ok=True)
    binary = (options.program or built("wasmote")).resolve()
    if not binary.exists():
        raise Failed(f"{binary} is not there: cargo build --profile dist --workspace --locked")
    try:
        with tempfile.TemporaryDirectory() as folder:
            pod = Pod(binary, pathlib.Path(folder), options)
            starts = {kind: start(pod, kind, rounds, say) for kind in KINDS}
            steady = go_on(pod, minutes * 60, options, say)
    except Unable as problem:
        raise Failed(str(problem)) from problem
    return {"starts": starts, "steady": steady, "minutes": minutes, "program_bytes": binary.stat().st_size,
            "compile": options.compile, "behaviour": options.behaviour, "load": list(os.getloadavg())}


# How a pod comes by its code.
KINDS = {
    "built-in": "built in, compiled ahead",
    "unseen": "mounted, never seen before",
    "again": "mounted, the container started again",
}


class Pod:
    """What its folders hold, and how its program is told to run."""

    def __init__(self, binary, folder, options):
        self.options, self.original = options, binary
        # A copy of its own, so that its pages can be forgotten: a pod is the first to read them on its node.
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
        """The component, with a section of its own that says nothing: nobody has seen it before."""
        name = b"mark"
        section = bytes([0, 1 + len(name) + len(mark), len(name)]) + name + mark.encode()
        (self.mounted / "behaviour.wasm").write_bytes(self.component + section)
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()

    def command(self, kind):
        return [self.binary, "run", self.options.behaviour if kind == "built-in" else self.mounted]

    def environment(self, kind, port, **more):
        """As `wasmote manifests` has it."""
        told = {"WASMOTE_DEVICE_ID": "pod-0", "WASMOTE_BROKER": f"mqtt://127.0.0.1:{port}",
                "WASMOTE_HTTP": "127.0.0.1:0", "WASMOTE_DEVICES": "1", "WASMOTE_PRECOMPILED": str(self.compiled)}
        if kind != "built-in":
            told |= {"WASMOTE_WATCH": "true", "WASMOTE_CACHE": str(self.cache)}
            if self.options.compile != "full":
                told["WASMOTE_COMPILE"] = self.options.compile
        return told | more

    def forget(self):
        """Let the system forget what it has read of the program and of compiled code."""
        os.sync()
        for path in [self.binary, *self.compiled.iterdir(), *self.cache.rglob("*.cwasm")]:
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Ear:
    """A subscriber nobody here wrote, and the time at which it was given the first message of a device."""

    def __init__(self, port):
        command = [program("mosquitto_sub"), "-i", "bench-listener", "-p", str(port), "-t", "wasmote/#", "-t", "ready",
                   "-F", "%U %t"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        subprocess.run([program("mosquitto_pub"), "-p", str(port), "-t", "ready", "-r", "-m", "yes"], check=True)
        assert self.hear("ready")

    def hear(self, end):
        for line in self.process.stdout:
            moment, topic = line.split()
            if topic.endswith(end):
                return float(moment)
        raise Failed("the listener's broker is gone")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def sign(behaviour):
    return "/telemetry" if behaviour == "sensor" else "/heartbeat"


def log(name):
    path = FOLDER / f"pod-{name}.log"
    path.write_bytes(b"")
    return path


def start(pod, kind, rounds, say):
    """Each with a fresh broker, group and cache. Every other one has its program still in the system's cache of files."""
    looks = []
    for number in range(rounds):
        if kind != "again" or number == 0:
            pod.mount(f"{kind}-{number}")
        if kind == "again" and number == 0:
            one_start(pod, kind)
        is_cold = number % 2 == 0
        if is_cold:
            pod.forget()
        looks.append(one_start(pod, kind) | {"cold": is_cold})
    seconds = sorted(look["seconds"] for look in looks)
    result = {"seconds": {"median": statistics.median(seconds), "least": seconds[0], "most": seconds[-1]},
              "peak_bytes": max(look["peak_bytes"] for look in looks),
              "resident_bytes": max(look["resident_bytes"] for look in looks),
              "times_full": sum(look["times_full"] for look in looks), "looks": looks}
    say(f"  {KINDS[kind]}: first heartbeat after {result['seconds']['median']:.2f} s "
        f"({seconds[0]:.2f} to {seconds[-1]:.2f}), at most {result['peak_bytes'] / 2**20:.1f} MiB, "
        f"of which resident {result['resident_bytes'] / 2**20:.1f}")
    return result


def one_start(pod, kind):
    behaviour = pod.options.behaviour
    setting = "report_interval" if behaviour == "sensor" else "interval"
    with Mosquitto() as broker, Ear(broker.port) as ear, Cgroup(MEMORY_BYTES, CORES) as cgroup:
        environment = pod.environment(kind, broker.port, WASMOTE_FAULTS="none",
                                      WASMOTE_DEVICE_CONFIG=json.dumps({setting: SOON}))
        began = time.time()
        with Group([cgroup.within(pod.command(kind))], log(kind), environment) as group:
            heard = ear.hear(sign(behaviour))
            # Whatever a start leaves behind is counted too.
            time.sleep(2)
            return {"seconds": heard - began, **memory(group, cgroup)}


def memory(group, cgroup):
    status = pathlib.Path(f"/proc/{group.processes[0].pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"peak_bytes": cgroup.peak_bytes(), "resident_bytes": int(resident) * 1024,
            "times_full": cgroup.times_full(), **cgroup.parts_bytes()}


def go_on(pod, seconds, options, say):
    """One of several, with realistic faults, as long as it is asked for."""
    pod.mount("steady")
    pod.forget()
    with Mosquitto() as broker, Cgroup(MEMORY_BYTES, CORES) as cgroup:
        # From the file that it was built to, so that the pod itself is the first to read its copy.
        company = [[pod.original, "run", options.behaviour, "--devices", options.company, "--device-id", "company",
                    "--broker", f"mqtt://127.0.0.1:{broker.port}", "--http", "127.0.0.1:0", "--faults", "realistic",
                    "--log-messages", "off"]] if options.company else []
        told = pod.environment("unseen", broker.port, WASMOTE_FAULTS="realistic", WASMOTE_DEVICES=str(options.devices))
        with Group(company, log("company")), Group([cgroup.within(pod.command("unseen"))], log("steady"), told) as group:
            looks, throttled = watch(group, cgroup, seconds, say), cgroup.throttled_seconds()
            figures = density.metrics(group) if not group.ended() else {}
            last = memory(group, cgroup) if not group.ended() else {"peak_bytes": cgroup.peak_bytes()}
        code = group.processes[0].returncode
    settled = looks[len(looks) // 3:]
    slope, error = trend([(at / 3600, used) for at, used, _ in settled]) if settled else (0.0, 0.0)
    result = {"seconds": looks[-1][0] if looks else 0.0, "code": code, "devices": options.devices,
              "company": options.company, "slope_bytes_per_hour": slope, "slope_error_bytes_per_hour": error,
              "cores": cores(settled), "throttled_seconds": throttled, "memory_bytes": looks[-1][1] if looks else 0,
              "figures": {key: figures.get(key) for key in ("sent", "received", "traps", "ledger_closes")},
              **last}
    say(f"  {result['seconds'] / 60:.1f} min: at most {result['peak_bytes'] / 2**20:.1f} MiB, "
        f"{result['cores'] * 1000:.1f} thousandths of a processor, sent {figures.get('sent')}, "
        f"received {figures.get('received')}, ended with code {code}")
    return result


def watch(group, cgroup, seconds, say):
    looks, began, told = [], time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds and not group.ended():
        looks.append((now, group.memory_bytes(), group.cpu_seconds()))
        if now - told > 60:
            told = now
            say(f"  {now / 60:.0f} min: {looks[-1][1] / 2**20:.1f} MiB resident, {cgroup.used_bytes() / 2**20:.1f} in all")
        time.sleep(2)
    return looks


def cores(looks):
    if len(looks) < 2:
        return 0.0
    (began, _, before), (ended, _, after) = looks[0], looks[-1]
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
