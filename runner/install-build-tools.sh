#!/bin/sh
# Makes sure that the workspace can be built: cargo, a C compiler (SQLite is compiled in), git. As root on Debian or Ubuntu
# installs the last two; otherwise prints the one command to run and ends with 3. Never installs Rust: that is the user's choice.
set -eu

if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    echo "$0: cargo is installed but not on PATH; run: . \"${CARGO_HOME:-$HOME/.cargo}/env\"" >&2
    exit 3
fi
if ! command -v cargo >/dev/null 2>&1; then
    echo "$0: there is no Rust toolchain; install one (rustup, stable channel) and try again" >&2
    exit 3
fi

missing=
for pair in cc:build-essential git:git; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "$0: missing:$missing; run: sudo apt-get install -y$missing" >&2
    exit 3
fi
echo "installing from the distribution's packages:$missing"
apt-get -qq update
# shellcheck disable=SC2086  # the list is meant to be split
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null
