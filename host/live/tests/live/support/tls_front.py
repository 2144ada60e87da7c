"""TLS server of OpenSSL in front of a plain broker.

Usage: tls_front.py CERTIFICATE KEY BROKER_PORT VERSION [ALPN,...]

Prints its port, and then a JSON object for each handshake: the server name, the protocol of ALPN, the version of TLS, and
whether a session was resumed.
"""

import json
import socket
import ssl
import sys
import threading

certificate, key, broker_port, version = sys.argv[1:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
if len(sys.argv) > 5:
    context.set_alpn_protocols(sys.argv[5].split(","))
announced = threading.local()
printing = threading.Lock()


def note(_socket, name, _context):
    announced.name = name


context.sni_callback = note


def pump(source, target):
    try:
        while data := source.recv(16384):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(plain):
    announced.name = None
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    seen = {
        "name": announced.name,
        "alpn": client.selected_alpn_protocol(),
        "version": client.version(),
        "resumed": client.session_reused,
    }
    with printing:
        print(json.dumps(seen), flush=True)
    broker = socket.create_connection(("127.0.0.1", int(broker_port)))
    threading.Thread(target=pump, args=(broker, client), daemon=True).start()
    pump(client, broker)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
