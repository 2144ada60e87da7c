#!/usr/bin/env python3
"""Extracts the Kubernetes schemas for the tests from the package `kubernetes-validate`.

    python3 -m venv venv && venv/bin/pip install kubernetes-validate
    venv/bin/python extract.py 1.33.0 1.37.0

Writes <version>.json: the strict schemas (no unknown fields) of the kinds below, with all referenced schemas and
without descriptions. The tests need neither Python nor a network.
"""

import importlib.resources
import json
import sys
from pathlib import Path

KINDS = [
    "configmap-v1",
    "deployment-apps-v1",
    "namespace-v1",
    "poddisruptionbudget-policy-v1",
    "secret-v1",
    "service-v1",
    "statefulset-apps-v1",
]


def bare(schema):
    """Removes descriptions, and makes references local to this file."""
    if isinstance(schema, list):
        return [bare(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key in ("description", "$id", "$schema") and isinstance(value, str):
            continue
        if key == "$ref":
            value = "#/$defs/" + value.rsplit("/", 1)[1]
        kept[key] = bare(value)
    return kept


def references(schema):
    if isinstance(schema, list):
        return [name for entry in schema for name in references(entry)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rsplit("/", 1)[1]] if isinstance(schema.get("$ref"), str) else []
    return own + [name for value in schema.values() for name in references(value)]


def extract(version):
    root = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    folder = root / f"v{version}-local-strict"
    known = json.loads((folder / "_definitions.json").read_text())["$defs"]
    kinds = {kind: bare(json.loads((folder / f"{kind}.json").read_text())) for kind in KINDS}
    wanted, needed = references(list(kinds.values())), {}
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed[name] = bare(known[name])
            wanted += references(needed[name])
    text = json.dumps({"version": version, "kinds": kinds, "$defs": needed}, sort_keys=True, separators=(",", ":"))
    Path(__file__).with_name(f"{version.rsplit('.', 1)[0]}.json").write_text(text + "\n")


for wanted_version in sys.argv[1:]:
    extract(wanted_version)
