"""Throughput when the offered load exceeds what the broker takes: the host and bare rumqttc in turn."""

from harness.contenders import BARE, WASMOTE, Load
from harness.measure import Failed, once, summarize
from harness.throughput import shown

# Four times as many messages as a Mosquitto on one core takes at QoS 0.
CLIENTS, INTERVAL = 400, 0.001
# Before the window the buffers of the sockets fill, so that the window shows the state that lasts.
SETTLE = 5.0
LEAST_RATE, LEAST_RATE_OF_A_ROUND, MOST_CPU = 0.9, 0.8, 1.3


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="rounds of measurement [5]")
    parser.add_argument("--seconds", type=float, default=15, help="seconds of each measurement [15]")
    parser.add_argument("--qos", type=int, choices=[0, 1], help="only this QoS [both]")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"number of clients [{CLIENTS}]")
    parser.add_argument("--interval", type=float, default=INTERVAL,
                        help=f"seconds between messages of one client [{INTERVAL}]")


def run(options, progress):
    rounds, seconds = (1, 3) if options.quick else (options.rounds, options.seconds)
    result = {"rounds": rounds, "seconds": seconds, "qos": {}, "loads": {}, "commands": {}}
    for qos in [0, 1] if options.qos is None else [options.qos]:
        load = Load(options.clients, options.interval, qos)
        progress(f"{load}")
        result["loads"][str(qos)] = str(load)
        for contender in (WASMOTE, BARE):
            words = " ".join(shown(word) for word in contender.commands(load, 1883)[0])
            result["commands"].setdefault(contender.key, words)
        result["qos"][str(qos)] = compare(load, rounds, seconds, progress)
    return result


def compare(load, rounds, seconds, progress):
    """Figures of both contenders, and the ratio of each round. A round counts only if both could be measured."""
    samples, ratios, failures = {WASMOTE.key: [], BARE.key: []}, [], []
    for number in range(rounds):
        # The second of a round would always find the machine as the first has left it.
        order = (WASMOTE, BARE) if number % 2 == 0 else (BARE, WASMOTE)
        try:
            found = {contender.key: once(contender, load, seconds, SETTLE).figures() for contender in order}
        except Failed as failure:
            failures.append(f"round {number + 1}: {failure}")
            progress(f"  {failures[-1]}")
            continue
        for key, figures in found.items():
            samples[key].append(figures)
        mine, bare = found[WASMOTE.key], found[BARE.key]
        ratios.append({name: mine[name] / bare[name] for name in ("messages_per_second", "cpu_us_per_message")})
        progress(f"  round {number + 1}: {mine['messages_per_second']:,.0f} and {bare['messages_per_second']:,.0f} "
                 f"messages/s ({ratios[-1]['messages_per_second']:.2f} ×), {mine['cpu_us_per_message']:.2f} and "
                 f"{bare['cpu_us_per_message']:.2f} µs ({ratios[-1]['cpu_us_per_message']:.2f} ×)")
    if not ratios:
        raise Failed("no round could be measured")
    return {"ratios": summarize(ratios), "failures": failures,
            **{key: summarize(figures) for key, figures in samples.items()}}


def met(result):
    """Goals, each with its target, the value measured, and whether it is reached."""
    rows = []
    for qos, of in result["qos"].items():
        rate, cpu = of["ratios"]["messages_per_second"], of["ratios"]["cpu_us_per_message"]["median"]
        of_rate = f"QoS {qos}, saturated: messages per second compared with bare rumqttc"
        rows.append((of_rate, f"{LEAST_RATE} ×", f"{rate['median']:.2f} ×", rate["median"] >= LEAST_RATE))
        rows.append((f"{of_rate}, lowest round", f"{LEAST_RATE_OF_A_ROUND} ×", f"{rate['least']:.2f} ×",
                     rate["least"] >= LEAST_RATE_OF_A_ROUND and not of["failures"]))
        rows.append((f"QoS {qos}, saturated: processor time per message compared with bare rumqttc",
                     f"at most {MOST_CPU} ×", f"{cpu:.2f} ×", cpu <= MOST_CPU))
    return rows
