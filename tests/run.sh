#!/bin/sh
# Runs every test from a fresh clone: installs what the tests need, makes their images without any registry, holds format and
# lints, runs all tests, and at last the quickstart with the release build as a user would. Under an hour cold on two cores.
#
#   CARGO_TARGET_DIR  where builds go [default: ~/.cache/pawl/target]
#   QUICK=1           leaves out the quickstart, for a second run of the day
set -eu
cd "$(dirname "$0")/.."

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pawl/target}
CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
export CARGO_TARGET_DIR CARGO_TERM_COLOR

stage() {
    echo "== $1 ($(date +%H:%M:%S))"
}

stage 'what the tests need'
sh runner/install-build-tools.sh
sh runner/install-docker.sh
# Actions in JavaScript are tested with a real Node.
if ! command -v node >/dev/null 2>&1; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nodejs npm >/dev/null
fi
# Versions and drift of data are held to the Python programs that they speak with or answer like.
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3 python3-venv >/dev/null
fi
for image in tests/images/*.sh; do
    sh "$image"
done

if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    rustup component add rustfmt clippy
fi

stage 'format'
cargo fmt --all --check

stage 'lints'
cargo clippy --workspace --all-targets --locked -- -D warnings

# Installing cargo-deny takes longer than all else here, so it runs only where it is. Licences and sources are held by a test
# in any case; what it adds are advisories and duplicate versions.
if command -v cargo-deny >/dev/null 2>&1; then
    stage 'advisories, licences, sources'
    cargo deny --config .deny.toml check
fi

# The scenarios use the development build: it is made for the other tests anyway.
stage 'build'
PAWL_BIN=$(cargo build --locked --package pawl --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\/pawl\)".*/\1/p' | tail -n 1)
if [ ! -x "$PAWL_BIN" ]; then
    echo "$0: the build made no pawl binary" >&2
    exit 4
fi
export PAWL_BIN

stage 'tests'
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT INT TERM
# Shown as it comes and kept for the count; a pipe would hide the exit code, so that it goes through a file.
{
    code=0
    cargo test --workspace --locked --no-fail-fast 2>&1 || code=$?
    echo "$code" >"$results/code"
} | tee "$results/log"
count() {
    sed -n "s/^test result: .* \([0-9]*\) $1;.*/\1/p" "$results/log" | awk '{ sum += $1 } END { print sum + 0 }'
}
summary="$(count passed) passed, $(count failed) failed"
if [ "$(cat "$results/code")" != 0 ]; then
    echo "$summary"
    exit 1
fi

if [ -z "${QUICK:-}" ]; then
    stage 'fuzz targets, a minute each'
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/fuzz sh tests/fuzz/run.sh 60 workflow plan action expression \
        commands env_file matcher options lock archive

    # With a store of its own, so that a developer's is not touched.
    stage 'quickstart, release build'
    XDG_STATE_HOME=$results/state sh runner/quickstart.sh
fi
echo "$summary"
