#!/bin/sh
# Builds every behaviour in this folder as a component: built/<name>.wasm.
#
# A behaviour is a workspace member with the crate type cdylib. The build needs Rust with a Wasm target (the
# standard library for wasm32-unknown-unknown). The script uses the first working one of:
#
#   rustup        the toolchain at hand, with the target added by rustup
#   distribution  Debian's Rust (rustc-web, cargo-web, rust-web-src) with the source of the library,
#                 which is compiled once, in about a minute
#
# Usage: build.sh [--compile]
#
#   --compile  only compile, and write no component. The Dockerfile compiles the dependencies with it, from empty crates
#
# Environment:
#   WASMOTE_WASM_TOOLCHAIN  rustup or distribution: use only this one
#   CARGO_TARGET_DIR        target directory; ./target by default
#   WASMOTE_MAX_GUEST       largest allowed component in bytes; 99999 by default
set -eu

target=wasm32-unknown-unknown
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
out=$here/built
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target}
export CARGO_TARGET_DIR
largest=${WASMOTE_MAX_GUEST:-99999}
wanted=${WASMOTE_WASM_TOOLCHAIN:-any}

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

case ${1-} in
'' | --compile) ;;
*) fail "unknown argument $1; usage: build.sh [--compile]" ;;
esac
case $wanted in
any | rustup | distribution) ;;
*) fail "WASMOTE_WASM_TOOLCHAIN is \"$wanted\"; it must be rustup or distribution" ;;
esac
have cargo || fail "cargo was not found; install Rust from https://rustup.rs, then try again"

has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }

# The download may hang without network access, so it has a timeout of two minutes.
add_target() {
    have rustup || return 1
    say "Adding the Wasm target to the Rust toolchain, to build the behaviours: rustup target add $target"
    if have timeout; then
        timeout 120 rustup target add "$target" >&2
    else
        rustup target add "$target" >&2
    fi
}

distribution_source=/usr/lib/rustlib/src/rust/library
distribution_rustc=/usr/bin/rustc
distribution_cargo=/usr/bin/cargo

has_distribution() {
    [ -x "$distribution_rustc" ] && [ -x "$distribution_cargo" ] && distribution_library >/dev/null
}

# Source of the standard library, which must match the compiler exactly.
distribution_library() {
    library=$("$distribution_rustc" --print sysroot)/lib/rustlib/src/rust/library
    [ -d "$library" ] && printf '%s\n' "$library"
}

install_distribution() {
    have apt-get || return 1
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || return 1
        as_root=sudo
    fi
    say "Installing Debian's Rust with its library's source, to build the behaviours for Wasm:"
    say "  apt-get install rustc-web cargo-web rust-web-src"
    $as_root apt-get update -qq >&2 &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            rustc-web cargo-web rust-web-src >&2
}

# Linker for Wasm: of the distribution or of rustup.
find_linker() {
    for linker in \
        "$("$distribution_rustc" --print sysroot)/lib/rustlib/$(host)/bin/rust-lld" \
        "$(rustc --print sysroot)/lib/rustlib/$(host)/bin/rust-lld" \
        /usr/bin/rust-lld /usr/bin/wasm-ld; do
        if [ -x "$linker" ]; then
            printf '%s\n' "$linker"
            return
        fi
    done
    for linker in /usr/bin/wasm-ld-*; do
        if [ -x "$linker" ]; then
            printf '%s\n' "$linker"
            return
        fi
    done
    return 1
}

host() { "$distribution_rustc" -vV | sed -n 's/^host: //p'; }

choose() {
    if [ "$wanted" != distribution ]; then
        if has_target || { add_target && has_target; }; then
            toolchain=rustup
            return
        fi
        [ "$wanted" = any ] && say "The Wasm target cannot be added by rustup; trying the distribution's Rust."
    fi
    if [ "$wanted" != rustup ]; then
        if has_distribution || { install_distribution && has_distribution; }; then
            toolchain=distribution
            return
        fi
    fi
    say "No Wasm target is available. Either of these installs one:"
    say "  rustup target add $target"
    say "  apt-get install rustc-web cargo-web rust-web-src    (Debian 12 or later)"
    exit 1
}

compile() {
    # Remaps local paths, because panic messages contain source paths.
    remap="target.$target.rustflags=['--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=registry','--remap-path-prefix=$here=behaviours','--remap-path-prefix=/usr/lib/rustlib/src/rust=rust']"
    case $toolchain in
    rustup)
        cargo build --quiet --release --target "$target" --config "$remap" "$@"
        ;;
    distribution)
        linker=$(find_linker) || fail "no Wasm linker; apt-get install lld provides one"
        # build-std is unstable; a stable compiler supports it only with RUSTC_BOOTSTRAP.
        RUSTC=$distribution_rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
            "$distribution_cargo" build --quiet --release --target "$target" --config "$remap" "$@"
        ;;
    esac
}

# Package names of all members that are behaviours.
behaviours() {
    for manifest in */Cargo.toml; do
        grep -q '^crate-type *=.*cdylib' "$manifest" || continue
        sed -n 's/^name *= *"\(.*\)"/\1/p' "$manifest" | head -n 1
    done
}

choose
names=$(behaviours)
[ -n "$names" ] || fail "no behaviour in $here"
packages=
for name in $names; do
    packages="$packages -p $name"
done
# shellcheck disable=SC2086  # one word for each package
compile $packages
cargo build --quiet --profile tool -p wasmote-pack
[ "${1-}" != --compile ] || exit 0

mkdir -p "$out"
too_large=
for name in $names; do
    module=$CARGO_TARGET_DIR/$target/release/$(printf '%s' "$name" | tr - _).wasm
    component=$out/$name.wasm
    "$CARGO_TARGET_DIR/tool/wasmote-pack" "$module" -o "$component.new"
    # An unchanged component keeps its modification time, so that dependents are not rebuilt.
    if cmp -s "$component.new" "$component"; then
        rm -f "$component.new"
    else
        mv -f "$component.new" "$component"
    fi
    size=$(wc -c <"$component" | tr -d ' ')
    printf '%-40s %6d bytes\n' "built/$name.wasm" "$size"
    [ "$size" -le "$largest" ] || too_large="$too_large $name"
done
[ -z "$too_large" ] || fail "larger than $largest bytes:$too_large"
