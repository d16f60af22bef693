#!/bin/sh
# From a fresh clone to a gated, deployed, rolled-back model: installs what is missing, builds the release binary, and runs
# the main job on the example project. Repeating it is safe.
#
#   CARGO_TARGET_DIR  where builds go [default: ~/.cache/pawl/target]
set -eu
cd "$(dirname "$0")/.."

sh runner/install-build-tools.sh
sh runner/install-docker.sh

# Outside of the clone, so that a second clone does not build everything again.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pawl/target}
export CARGO_TARGET_DIR

echo "building pawl (about ten minutes the first time on two cores)"
# Cargo names the file itself: its folder depends on the target triple.
pawl=$(cargo build --release --locked --package pawl --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\/pawl\)".*/\1/p' | tail -n 1)
if [ ! -x "$pawl" ]; then
    echo "$0: the build made no pawl binary" >&2
    exit 4
fi
echo "built $pawl"

exec sh workflows/visit-risk/demo.sh "$pawl"
