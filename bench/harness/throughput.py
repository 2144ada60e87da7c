"""Throughput of all contenders under the same load, measured in turn."""

import math

from harness import contenders
from harness.contenders import BARE, LOCUST, MQTT_BENCHMARK, MQTTV5, PYTHON, WASMOTE, Load
from harness.measure import side_by_side, summarize

# The load that each contender can handle without falling behind, on two cores with the broker on the same machine. The
# host and bare rumqttc have the same load; slower contenders have less, and are compared by messages per core-second.
LOADS = {
    0: {WASMOTE: Load(400, 0.005, 0), BARE: Load(400, 0.005, 0), PYTHON: Load(10, 0.01, 0),
        LOCUST: Load(50, 0.05, 0), MQTTV5: Load(50, 0.005, 0), MQTT_BENCHMARK: Load(50, 0.005, 0)},
    1: {WASMOTE: Load(400, 0.02, 1), BARE: Load(400, 0.02, 1), PYTHON: Load(10, 0.02, 1),
        LOCUST: Load(50, 0.1, 1), MQTTV5: Load(50, 0.02, 1), MQTT_BENCHMARK: Load(50, 0.02, 1)},
}


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="rounds of measurement [5]")
    parser.add_argument("--seconds", type=float, default=15, help="seconds of each measurement [15]")
    parser.add_argument("--qos", type=int, choices=[0, 1], help="only this QoS [both]")
    parser.add_argument("--contender", action="append", choices=[it.key for it in contenders.ALL],
                        help="only this contender; can be repeated [all]")
    parser.add_argument("--clients", type=int, help="number of clients of the host and of bare rumqttc [400]")
    parser.add_argument("--interval", type=float, help="seconds between messages of one of these clients [0.005; QoS 1: 0.02]")


def run(options, progress):
    rounds, seconds = (2, 4) if options.quick else (options.rounds, options.seconds)
    wanted = options.contender or [it.key for it in contenders.ALL]
    if {"python", "locust"} & set(wanted):
        contenders.prepare_peers()
    result = {"rounds": rounds, "seconds": seconds, "loads": {}, "qos": {}, "left_out": {},
              "commands": {}, "versions": contenders.versions()}
    for qos in [0, 1] if options.qos is None else [options.qos]:
        plan = []
        for contender, load in LOADS[qos].items():
            why = contenders.missing(contender)
            if contender.key not in wanted:
                continue
            if why:
                result["left_out"][contender.name] = why
                continue
            if contender in (WASMOTE, BARE):
                load = Load(options.clients or load.clients, options.interval or load.interval, qos)
            result["loads"].setdefault(str(qos), {})[contender.key] = str(load)
            words = contender.commands(load, 1883)[0]
            result["commands"].setdefault(contender.key, " ".join(shown(word) for word in words))
            plan.append((contender, load))
        progress(f"QoS {qos}")
        found = side_by_side(plan, rounds, seconds, progress)
        result["qos"][str(qos)] = {key: summarize(samples) for key, samples in found.items()}
    return result


def shown(word):
    return str(word).replace(f"{contenders.ROOT}/", "")


def met(result):
    """Goals, each with its target, the value measured, and whether it is reached."""
    rows = []
    for qos, of in result["qos"].items():
        figure = lambda key, name: of[key][name]["median"]  # noqa: E731
        if "wasmote" in of and "bare" in of:
            ratio = figure("wasmote", "messages_per_second") / figure("bare", "messages_per_second")
            rows.append((f"QoS {qos}: messages per second compared with bare rumqttc", "0.8 ×", f"{ratio:.2f} ×", ratio >= 0.8))
            if qos == "0":
                ratio = figure("wasmote", "cpu_us_per_message") / figure("bare", "cpu_us_per_message")
                rows.append(("QoS 0: processor time per message compared with bare rumqttc", "at most 1.25 ×",
                             f"{ratio:.2f} ×", ratio <= 1.25))
        if "wasmote" in of and "python" in of:
            ratio = figure("wasmote", "messages_per_core_second") / figure("python", "messages_per_core_second")
            # Round down, so that a value just below the target does not appear as reached.
            rows.append((f"QoS {qos}: messages per core-second compared with the Python device", "20 ×",
                         f"{math.floor(ratio * 10) / 10:.1f} ×", ratio >= 20))
    return rows
