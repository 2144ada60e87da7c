# syntax=docker/dockerfile:1
#
#   docker build -t "$DOCKERHUB_USERNAME/wasmote:0.1.0" .
#   docker buildx build --platform linux/amd64,linux/arm64 -t "$DOCKERHUB_USERNAME/wasmote:0.1.0" --push .
#
# All code is compiled on the build machine, for either architecture. The dependencies are a separate layer, which changes
# only with Cargo.lock and the manifests. Only the last step runs the built program, to precompile the built-in behaviours.
# For a foreign architecture this step needs an emulator: Docker Desktop includes one, elsewhere
# `docker run --privileged --rm tonistiigi/binfmt --install all` installs one.
#
# The image runs one binary on a base without a shell, as an unprivileged user. The program writes only to a cache folder,
# if it is given one, so the root file system can be read-only.

# A release names its bases by digest, so that the same commit gives the same image:
#   --build-arg RUST_IMAGE=rust@sha256:… --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian12@sha256:…
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS toolchain
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src
# Rust target triple, and a C compiler and linker if the target is a foreign architecture. Their versions do not affect the
# result, so they are not pinned.
# hadolint ignore=DL3008
RUN set -eu; \
    case "$TARGETARCH" in \
        amd64) triple=x86_64-unknown-linux-gnu; variable=X86_64_UNKNOWN_LINUX_GNU; gcc=x86-64-linux-gnu ;; \
        arm64) triple=aarch64-unknown-linux-gnu; variable=AARCH64_UNKNOWN_LINUX_GNU; gcc=aarch64-linux-gnu ;; \
        *) echo "unsupported architecture $TARGETARCH; build for amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    echo "export CARGO_BUILD_TARGET=$triple" > /target.env; \
    if [ "$BUILDARCH" != "$TARGETARCH" ]; then \
        apt-get update; \
        apt-get install -y --no-install-recommends "gcc-$gcc" "libc6-dev-$TARGETARCH-cross"; \
        rm -rf /var/lib/apt/lists/*; \
        linker=${triple%%-*}-linux-gnu-gcc; \
        echo "export CARGO_TARGET_${variable}_LINKER=$linker TARGET_CC=$linker" >> /target.env; \
    fi; \
    rustup target add "$triple" wasm32-unknown-unknown

# The guests are independent of the architecture.
FROM toolchain AS guests
COPY wit wit
COPY behaviours behaviours
# The unit tests of the behaviours depend on the simulator, so Cargo needs its manifest; it is not compiled here.
COPY Cargo.toml ./
COPY host/mqtt/Cargo.toml host/mqtt/
COPY host/sim/Cargo.toml host/sim/
RUN set -eu; \
    mkdir -p host/mqtt/src host/sim/src host/sim/benches; \
    touch host/mqtt/src/lib.rs host/sim/src/lib.rs host/sim/benches/hot.rs; \
    sh behaviours/build.sh

# Compile the dependencies with empty crates in place of the workspace's crates.
FROM toolchain AS dependencies
COPY Cargo.toml Cargo.lock ./
COPY host/mqtt/Cargo.toml host/mqtt/
COPY host/sim/Cargo.toml host/sim/
COPY host/engine/Cargo.toml host/engine/
COPY host/live/Cargo.toml host/live/
COPY host/results/Cargo.toml host/results/
COPY host/fleet/Cargo.toml host/fleet/
COPY host/api/Cargo.toml host/api/
COPY host/experiment/Cargo.toml host/experiment/
COPY host/report/Cargo.toml host/report/
COPY host/kubernetes/Cargo.toml host/kubernetes/
COPY host/app/Cargo.toml host/app/
# Members of the workspace that are not built here.
COPY bench bench
COPY fuzz fuzz
RUN set -eu; \
    for crate in mqtt sim engine live results fleet api experiment report kubernetes app; do mkdir -p host/$crate/src; : > host/$crate/src/lib.rs; done; \
    mkdir host/sim/benches host/engine/benches; \
    for program in host/app/src/main.rs host/sim/benches/hot.rs host/engine/benches/guest.rs; do \
        echo 'fn main() {}' > $program; \
    done; \
    . /target.env; \
    cargo build --profile dist --locked --package wasmote

FROM dependencies AS host
COPY wit wit
COPY host host
COPY experiments experiments
COPY deploy/monitoring deploy/monitoring
COPY --from=guests /src/behaviours/built behaviours/built
# Cargo compares modification times, and the copied files may be older than the empty ones.
RUN set -eu; \
    find host -name '*.rs' -exec touch {} +; \
    . /target.env; \
    cargo build --profile dist --locked --package wasmote; \
    cp "target/$CARGO_BUILD_TARGET/dist/wasmote" /wasmote

# The bill of materials, from the manifests and lock files of both workspaces.
FROM host AS sbom
# hadolint ignore=DL3008
RUN apt-get update; apt-get install -y --no-install-recommends python3; rm -rf /var/lib/apt/lists/*
COPY behaviours behaviours
COPY .ci/sbom .ci/sbom
RUN .ci/sbom > /wasmote.cdx.json

# The base has only the C library and the system's certificate authorities: no shell, no package manager.
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="wasmote" \
      org.opencontainers.image.description="Simulated IoT devices, each a sandboxed Wasm component" \
      org.opencontainers.image.licenses="MIT"
COPY --from=host /wasmote /usr/local/bin/wasmote
COPY --from=sbom /wasmote.cdx.json /usr/share/sbom/wasmote.cdx.json
# Code for the baseline processor of this architecture, so that it runs on every node, regardless of the build machine. Code
# that does not fit for another reason is compiled again, with a warning. The code belongs to root and the program runs as
# another user, so only the author of the image can have written it.
USER 0:0
RUN ["/usr/local/bin/wasmote", "behaviours", "precompile", "--out", "/usr/local/lib/wasmote"]
ENV WASMOTE_PRECOMPILED=/usr/local/lib/wasmote
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["/usr/local/bin/wasmote"]
# Listen on all addresses in the container; the default of the program is loopback.
CMD ["run", "--http", "0.0.0.0:5000"]
