#!/bin/sh
# Creates the Secrets for a broker with TLS and passwords, and prints them:
#
#   deploy/tls/make-secrets.sh | kubectl apply --server-side -f -
#   deploy/tls/make-secrets.sh lab | kubectl apply --server-side -f -     in the namespace lab
#
# A new certificate authority signs a certificate for the Service mqtt-broker, valid for a year. The key of the authority is
# deleted at once, so a new certificate requires another run of this script. Requires openssl and mosquitto_passwd.
#
#   mqtt-broker-tls     tls.crt and tls.key of the broker, and ca.crt, the authority that devices trust
#   mqtt-broker-users   password file of Mosquitto
#   mqtt-credentials    user name and password of the devices
set -eu

namespace=${1:-}
user=${MQTT_USER:-devices}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
umask 077

need() {
    command -v "$1" >/dev/null 2>&1 || { printf 'error: %s was not found; install %s\n' "$1" "$2" >&2; exit 1; }
}
need openssl openssl
need mosquitto_passwd mosquitto
password=${MQTT_PASSWORD:-$(openssl rand -hex 16)}

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key"; }
key ca
openssl req -x509 -new -key "$work/ca.key" -sha256 -days 365 -subj "/CN=wasmote broker authority" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$work/ca.crt" 2>/dev/null
key tls
openssl req -new -key "$work/tls.key" -subj "/CN=mqtt-broker" -out "$work/tls.csr" 2>/dev/null
names="DNS:mqtt-broker,DNS:mqtt-broker.${namespace:-default}.svc,DNS:localhost,IP:127.0.0.1"
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names" > "$work/names"
openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -sha256 -days 365 \
    -extfile "$work/names" -out "$work/tls.crt" 2>/dev/null
: > "$work/passwords"
mosquitto_passwd -b "$work/passwords" "$user" "$password" >&2

encoded() { openssl base64 -A < "$1"; }
head_of() {
    printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n' "$1"
    [ -z "$namespace" ] || printf '  namespace: %s\n' "$namespace"
    printf '  labels:\n    app.kubernetes.io/part-of: wasmote\ntype: %s\n' "$2"
}

head_of mqtt-broker-tls kubernetes.io/tls
printf 'data:\n  tls.crt: %s\n  tls.key: %s\n  ca.crt: %s\n' \
    "$(encoded "$work/tls.crt")" "$(encoded "$work/tls.key")" "$(encoded "$work/ca.crt")"
echo ---
head_of mqtt-broker-users Opaque
printf 'data:\n  passwords: %s\n' "$(encoded "$work/passwords")"
echo ---
head_of mqtt-credentials kubernetes.io/basic-auth
printf '%s' "$user" > "$work/user"
printf '%s' "$password" > "$work/password"
printf 'data:\n  username: %s\n  password: %s\n' "$(encoded "$work/user")" "$(encoded "$work/password")"
