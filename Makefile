# The two commands that do everything on a fresh machine: `make run` and `make test`.
#
#   make run          build all and start nine simulated devices   (ARGS="sensor --devices 3" for others)
#   make test         install what the tests need, and run all of them
#   make determinism  other builds tell the same history, and tests notice builds that were broken on purpose
#   make bench        measure, and write docs/benchmarks.md   (QUICK=1 for a short run that writes nothing there)
#   make behaviours   build the Wasm behaviours alone, into behaviours/built
#   make configmaps   write them as ConfigMaps for Kubernetes, into behaviours/built/configmaps.yaml
#   make lint         formatting and clippy, warnings denied
#   make clean        remove what was built

.PHONY: run test determinism bench bench-virtual behaviours configmaps test-tools browser lint clean help

CARGO ?= cargo
ARGS ?=

run: behaviours
	$(CARGO) build --release --locked --package wasmote
	$(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)/release/wasmote run $(ARGS)

# Last come the scenarios of the broker model against a real Mosquitto: mostly waiting, so all at once.
test: behaviours test-tools browser
	$(CARGO) test --manifest-path behaviours/Cargo.toml --workspace --locked
	$(CARGO) test --workspace --locked
	$(CARGO) test --workspace --locked --test model -- --ignored --test-threads 32 mosquitto

determinism: behaviours
	python3 .ci/determinism

bench: behaviours test-tools
	$(CARGO) build --profile dist --workspace --locked
	$(CARGO) bench --profile dist --workspace --locked --bench hot --bench guest -- $(if $(QUICK),--quick)
	python3 bench/run all $(if $(QUICK),--quick)

# How fast virtual time runs, through closures and through Wasm, and an experiment as a whole.
bench-virtual: behaviours
	$(CARGO) build --profile dist --workspace --locked
	python3 bench/run virtual $(if $(QUICK),--quick)

behaviours:
	sh behaviours/build.sh

# For: kubectl apply --server-side -f behaviours/built/configmaps.yaml. Fault models are no behaviours.
configmaps: behaviours
	$(CARGO) build --release --locked --package wasmote
	$(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)/release/wasmote manifests --only behaviours \
	  $(foreach behaviour,$(filter-out %/rain-fade.wasm,$(wildcard behaviours/built/*.wasm)),--behaviour $(behaviour)) > behaviours/built/configmaps.yaml.part
	mv behaviours/built/configmaps.yaml.part behaviours/built/configmaps.yaml

# The tests check this project with a broker and clients that are not its own.
test-tools:
	@if command -v mosquitto_sub >/dev/null && command -v curl >/dev/null \
	  && command -v python3 >/dev/null && command -v openssl >/dev/null \
	  && PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null; then \
	  exit 0; \
	elif command -v apt-get >/dev/null; then \
	  echo "Installing Mosquitto, its clients, curl, openssl and Python: the tests check this project with them."; \
	  if [ "$$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    mosquitto mosquitto-clients curl openssl python3-minimal; \
	else \
	  echo "The tests need mosquitto, mosquitto-clients, curl, openssl and python3: install these." >&2; \
	  exit 1; \
	fi

# Whether pages show what they should, only a browser knows. It is told not to reach any network.
browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then \
	  exit 0; \
	elif command -v apt-get >/dev/null; then \
	  echo "Installing Chromium: the tests look at reports with it."; \
	  if [ "$$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium fonts-dejavu-core; \
	else \
	  echo "The tests need chromium: install it." >&2; \
	  exit 1; \
	fi

lint: behaviours
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path behaviours/Cargo.toml --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --manifest-path behaviours/Cargo.toml --workspace --all-targets --locked -- -D warnings

clean:
	$(CARGO) clean
	rm -rf behaviours/target behaviours/built

help:
	@sed -n '3,10s/^# *//p' Makefile
