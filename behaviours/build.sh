#!/bin/sh
# Builds every behaviour in this folder as a component: built/<name>.wasm.
#
# A behaviour is a member of this workspace whose crate type is cdylib. What is needed beside Rust is a
# Wasm target (the standard library for wasm32-unknown-unknown). The first of these that works is used:
#
#   rustup        the toolchain at hand, with the target added by rustup
#   distribution  Debian's own Rust (rustc-web, cargo-web, rust-web-src), which brings the library's
#                 source; it is compiled once, which takes about a minute
#
# Environment:
#   WASMOTE_WASM_TOOLCHAIN  rustup or distribution: use this one and no other
#   CARGO_TARGET_DIR        where to compile; ./target unless set
#   WASMOTE_MAX_GUEST       largest component in bytes that passes; 99999 unless set
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

case $wanted in
any | rustup | distribution) ;;
*) fail "WASMOTE_WASM_TOOLCHAIN is \"$wanted\"; it has to be rustup or distribution" ;;
esac
have cargo || fail "cargo is not here; install Rust from https://rustup.rs, then try again"

has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }

# The download may hang where rustup's server cannot be reached, so it gets two minutes.
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

# Where the source of the standard library is, which has to fit the compiler to the letter.
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

# The linker for Wasm: the distribution's, or the one that came with rustup.
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
    say "There is no way to build for Wasm here. Either of these provides one:"
    say "  rustup target add $target"
    say "  apt-get install rustc-web cargo-web rust-web-src    (Debian 12 or later)"
    exit 1
}

compile() {
    # No path of this machine belongs into a component: a panic names its place in the source.
    remap="target.$target.rustflags=['--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=registry','--remap-path-prefix=$here=behaviours','--remap-path-prefix=/usr/lib/rustlib/src/rust=rust']"
    case $toolchain in
    rustup)
        cargo build --quiet --release --target "$target" --config "$remap" "$@"
        ;;
    distribution)
        linker=$(find_linker) || fail "no Wasm linker; apt-get install lld provides one"
        # build-std is an unstable feature, which a released compiler gives only when it is told so.
        RUSTC=$distribution_rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
            "$distribution_cargo" build --quiet --release --target "$target" --config "$remap" "$@"
        ;;
    esac
}

# Members that are behaviours. A cdylib of this workspace is named as its folder's package is.
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
cargo build --quiet --release -p wasmote-pack

mkdir -p "$out"
too_large=
for name in $names; do
    module=$CARGO_TARGET_DIR/$target/release/$(printf '%s' "$name" | tr - _).wasm
    component=$out/$name.wasm
    "$CARGO_TARGET_DIR/release/wasmote-pack" "$module" -o "$component.new"
    # An unchanged component keeps its time, so that nothing that includes it is built again.
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
