#   docker build -t "$DOCKERHUB_USERNAME/wasmote:0.1.0" .
#   podman build -t "localhost/wasmote:0.1.0" .
#   docker buildx build --platform linux/amd64,linux/arm64 -t "$DOCKERHUB_USERNAME/wasmote:0.1.0" --push .
#
# Works with BuildKit, with Docker's builder before it, and with Podman and Buildah. The last command needs BuildKit: it
# compiles all code on the build machine, for either architecture. Only the last step runs the built program, to precompile
# the built-in behaviours. For a foreign architecture this step needs an emulator: Docker Desktop includes one, elsewhere
# `docker run --privileged --rm tonistiigi/binfmt --install all` installs one.
#
# Dependencies are compiled in layers of their own, from the manifests alone, so a change of the code does not repeat them.
#
# The image runs one binary on a base without a shell, as an unprivileged user. The program writes only to a cache folder,
# if it is given one, so the root file system can be read-only.

# Tags, and no digests: a build takes the bases with their last security fixes, and old digests vanish from some registries.
# A release names its bases by digest, so that the same commit gives the same image, and optimises the whole program:
#   --build-arg RUST_IMAGE=rust@sha256:… --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian12@sha256:… --build-arg PROFILE=dist
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot
# Platform of the build machine. Only builders that do not set BUILDPLATFORM use it: Docker's builder before BuildKit, and
# Podman before version 5. On an ARM machine, give them --build-arg BUILD_MACHINE=linux/arm64, or install docker-buildx.
ARG BUILD_MACHINE=linux/amd64
# Profile of Cargo.
ARG PROFILE=image

FROM --platform=${BUILDPLATFORM:-$BUILD_MACHINE} ${RUST_IMAGE} AS toolchain
# Empty with Docker's builder before BuildKit, which builds for the architecture of the toolchain.
ARG TARGETARCH
WORKDIR /src
# Rust target triple, and a C compiler and linker if the target is a foreign architecture. Their versions do not affect the
# result, so they are not pinned.
# hadolint ignore=DL3008
RUN set -eu; \
    build=$(dpkg --print-architecture); \
    target=${TARGETARCH:-$build}; \
    case "$target" in \
        amd64) triple=x86_64-unknown-linux-gnu; variable=X86_64_UNKNOWN_LINUX_GNU; gcc=x86-64-linux-gnu ;; \
        arm64) triple=aarch64-unknown-linux-gnu; variable=AARCH64_UNKNOWN_LINUX_GNU; gcc=aarch64-linux-gnu ;; \
        *) echo "unsupported architecture $target; build for amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    echo "export CARGO_BUILD_TARGET=$triple" > /target.env; \
    if [ "$build" != "$target" ]; then \
        apt-get update; \
        apt-get install -y --no-install-recommends "gcc-$gcc" "libc6-dev-$target-cross"; \
        rm -rf /var/lib/apt/lists/*; \
        linker=${triple%%-*}-linux-gnu-gcc; \
        echo "export CARGO_TARGET_${variable}_LINKER=$linker TARGET_CC=$linker" >> /target.env; \
    fi; \
    rustup target add "$triple" wasm32-unknown-unknown

# All manifests, with empty crates. This stage is repeated with every change, and the next ones only if its result differs.
FROM toolchain AS manifests
COPY . .
RUN .ci/manifests /manifests

# The guests are independent of the architecture.
FROM toolchain AS guests
COPY --from=manifests /manifests ./
COPY behaviours/build.sh behaviours/
RUN sh behaviours/build.sh --compile
COPY wit wit
COPY behaviours behaviours
# Cargo compares modification times, and the copied files may be older than the empty ones.
RUN find behaviours -name '*.rs' -exec touch {} + \
    && sh behaviours/build.sh

FROM toolchain AS dependencies
ARG PROFILE
COPY --from=manifests /manifests ./
RUN . /target.env \
    && cargo build --profile "$PROFILE" --locked --package wasmote

FROM dependencies AS host
ARG PROFILE
COPY wit wit
COPY host host
COPY experiments experiments
COPY deploy/monitoring deploy/monitoring
# Sources of the SDK, which `wasmote new` writes into projects.
COPY behaviours/sdk/src behaviours/sdk/src
COPY --from=guests /src/behaviours/built behaviours/built
RUN . /target.env \
    && find host -name '*.rs' -exec touch {} + \
    && cargo build --profile "$PROFILE" --locked --package wasmote \
    && cp "target/$CARGO_BUILD_TARGET/$PROFILE/wasmote" /wasmote

# The bill of materials, from the manifests and lock files of both workspaces.
FROM dependencies AS sbom
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
COPY .ci/sbom .ci/sbom
RUN .ci/sbom > /wasmote.cdx.json

# The base has only the C library and the system's certificate authorities: no shell, no package manager.
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="wasmote" \
      org.opencontainers.image.description="Simulated IoT devices, each a sandboxed Wasm component" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="$BASE_IMAGE"
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
