# syntax=docker/dockerfile:1
#
#   docker build -t "$DOCKERHUB_USERNAME/wasmote:latest" .
#   docker buildx build --platform linux/amd64,linux/arm64 -t "$DOCKERHUB_USERNAME/wasmote:latest" --push .
#
# Everything is compiled on the machine that builds, for either architecture. The dependencies are a layer of their
# own, which changes only with Cargo.lock and the manifests. Only the last step runs what was built, to compile the
# built-in behaviours ahead: for another architecture than this machine's it needs an emulator, as Docker Desktop has
# one, and as elsewhere `docker run --privileged --rm tonistiigi/binfmt --install all` brings it.
#
# What runs is one binary on a base without a shell, as a user without rights; it writes nothing but a cache, where
# it is given a folder for that, so its root may be read-only.

FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS toolchain
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src
# The compiler's name for the target, and a C compiler and linker for it where it is not this machine's own. Which
# version of them makes no difference to what is built, so none is pinned.
# hadolint ignore=DL3008
RUN set -eu; \
    case "$TARGETARCH" in \
        amd64) triple=x86_64-unknown-linux-gnu; variable=X86_64_UNKNOWN_LINUX_GNU; gcc=x86-64-linux-gnu ;; \
        arm64) triple=aarch64-unknown-linux-gnu; variable=AARCH64_UNKNOWN_LINUX_GNU; gcc=aarch64-linux-gnu ;; \
        *) echo "there is no wasmote for $TARGETARCH; build for amd64 or arm64" >&2; exit 1 ;; \
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

# The guests are the same on every machine.
FROM toolchain AS guests
COPY wit wit
COPY behaviours behaviours
# The unit tests of the behaviours need the simulator. Cargo wants to see its manifest here too, and compiles nothing of it.
COPY Cargo.toml ./
COPY host/mqtt/Cargo.toml host/mqtt/
COPY host/sim/Cargo.toml host/sim/
RUN set -eu; \
    mkdir -p host/mqtt/src host/sim/src host/sim/benches; \
    touch host/mqtt/src/lib.rs host/sim/src/lib.rs host/sim/benches/hot.rs; \
    sh behaviours/build.sh

# Empty crates in the places of ours, so that all that they depend on is compiled.
FROM toolchain AS dependencies
COPY Cargo.toml Cargo.lock ./
COPY host/sim/Cargo.toml host/sim/
COPY host/engine/Cargo.toml host/engine/
COPY host/live/Cargo.toml host/live/
COPY host/results/Cargo.toml host/results/
COPY host/app/Cargo.toml host/app/
# A member of the workspace, which is not built here.
COPY bench bench
RUN set -eu; \
    for crate in sim engine live results app; do mkdir -p host/$crate/src; : > host/$crate/src/lib.rs; done; \
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
# Cargo goes by the time of a file, and those that were copied may be older than the empty ones.
RUN set -eu; \
    find host -name '*.rs' -exec touch {} +; \
    . /target.env; \
    cargo build --profile dist --locked --package wasmote; \
    cp "target/$CARGO_BUILD_TARGET/dist/wasmote" /wasmote

# The C library and the system's authorities, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="wasmote" \
      org.opencontainers.image.description="Simulated IoT devices, each a sandboxed Wasm component" \
      org.opencontainers.image.licenses="MIT"
COPY --from=host /wasmote /usr/local/bin/wasmote
# For the plainest processor of this architecture, so that the code runs on every node, whatever the machine was that
# built it. Code that does not fit for any other reason is compiled anew, with a warning. It belongs to root, and the
# program runs as somebody else: nobody but the image's maker can have written it.
USER 0:0
RUN ["/usr/local/bin/wasmote", "behaviours", "precompile", "--out", "/usr/local/lib/wasmote"]
ENV WASMOTE_PRECOMPILED=/usr/local/lib/wasmote
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["/usr/local/bin/wasmote"]
# In a container every address is meant; on a laptop the default stays loopback.
CMD ["run", "--http", "0.0.0.0:5000"]
