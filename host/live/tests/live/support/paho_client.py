"""Client of paho on the WebSocket of a broker.

Usage: paho_client.py PORT PATH

Prints 0 as its port, which it has none of, then `ready` once it is subscribed to everything, and then `topic|payload` for each
message. It answers `t/ask` with `t/answer`.
"""

import sys

import paho.mqtt.client as mqtt

port, path = int(sys.argv[1]), sys.argv[2]
arguments = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []
client = mqtt.Client(*arguments, client_id="paho", transport="websockets", protocol=mqtt.MQTTv5)
client.ws_set_options(path=path)


def on_connect(client, *_):
    client.subscribe("#", qos=2)


def on_subscribe(*_):
    print("0\nready", flush=True)


def on_message(client, _, message):
    print(f"{message.topic}|{message.payload.decode()}", flush=True)
    if message.topic == "t/ask":
        client.publish("t/answer", b"a" * 100_000, qos=2)


client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", port)
client.loop_forever()
