# syntax=docker/dockerfile:1
#
# docker build -t "$DOCKERHUB_USERNAME/wasmote:latest" .
#
# The guests and the host are built in one stage, with Cargo's downloads and the compiled dependencies kept
# in cache mounts; what runs is one binary on a bare base, as a user without rights.

FROM rust:1.95-slim-bookworm AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    --mount=type=cache,target=/src/behaviours/target \
    sh behaviours/build.sh \
    && cargo build --release --locked --package wasmote \
    && cp target/release/wasmote /wasmote

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wasmote /usr/local/bin/wasmote
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["wasmote"]
# In a container every address is meant; on a laptop the default stays loopback.
CMD ["run", "--http", "0.0.0.0:5000"]
