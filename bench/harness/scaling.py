"""Cost of a message and of a device in fleets of increasing size, at the same total message rate."""

from harness import density


def add_arguments(parser):
    parser.add_argument("--sizes", default="1000,10000,19000", help="numbers of devices [1000,10000,19000]")
    parser.add_argument("--rate", type=float, default=4000, help="messages per second of the whole fleet [4000]")
    parser.add_argument("--seconds", type=float, default=30, help="seconds of measurement of each [30]")
    parser.add_argument("--patience", dest="timeout", type=float, default=600, help="maximum seconds until all are connected [600]")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker instead of Mosquitto")


def run(options, progress):
    sizes = [200, 1_000] if options.quick else [int(size) for size in options.sizes.split(",")]
    seconds = 6 if options.quick else options.seconds
    rate = 500 if options.quick else options.rate
    fleets = []
    for devices in sizes:
        interval = devices / rate
        if options.embedded:
            fleets.append(density.embedded(devices, interval, seconds, options.timeout, progress))
        else:
            fleets.append(density.over_tcp(devices, 1, interval, seconds, options.timeout, progress))
    return {"rate": rate, "fleets": fleets}


def met(result):
    first, last = result["fleets"][0], result["fleets"][-1]
    cost = last["cpu_us_per_message"] / first["cpu_us_per_message"]
    return [(f"processor time per message, {last['devices']:,} devices compared with {first['devices']:,}", "at most 2 ×",
             f"{cost:.2f} ×", cost <= 2)]
