#!/bin/sh
# Runs every benchmark and writes the table of docs/performance.md. By hand, on a machine that does nothing else: never a test.
# A few minutes after the builds. The quickstart's service has one name, so that no other quickstart may run at the time.
#
#   sh tests/bench/run.sh [--print]      --print leaves the document alone and shows the table
#
#   CARGO_TARGET_DIR   where builds go [default: ~/.cache/pawl/target]
#   PAWL_BIN           the release binary [default: built here]
#   PAWL_BENCH_DECIDE  the program of decide.rs [default: built here]
#
# Where a Go is, the real act is built from the module proxy, once, to be measured beside.
set -eu
cd "$(dirname "$0")/../.."

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pawl/target}
export CARGO_TARGET_DIR
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

executable() {
    sed -n "s/.*\"executable\":\"\([^\"]*\/$1\)\".*/\1/p" | tail -n 1
}
pawl=${PAWL_BIN:-$(cargo build --release --locked --package pawl --message-format=json-render-diagnostics | executable pawl)}
cargo bench --locked --package pawl-engine --benches --no-run --message-format=json-render-diagnostics >"$work/benches"
bench() {
    executable "$1-[0-9a-f]*" <"$work/benches"
}
decide=${PAWL_BENCH_DECIDE:-$(bench decide)}
act=$(sh tests/bench/act.sh)

echo 'echo steps beside docker run' >&2
sh tests/bench/steps.sh "$pawl" >"$work/results"
echo 'the calls of others' >&2
"$(bench act)" >>"$work/results"
echo 'masks and plans' >&2
"$(bench mask)" >>"$work/results"
"$(bench plan)" >>"$work/results"
echo 'heavy jobs' >&2
sh tests/bench/load.sh "$pawl" "$act" >>"$work/results"
echo 'ten thousand steps' >&2
"$decide" >>"$work/results"
echo 'a million rows' >&2
sh tests/bench/csv.sh "$pawl" >>"$work/results"
echo 'the quickstart' >&2
begun=$(date +%s%N)
PAWL_DEMO_STORE=$work/store PAWL_DEMO_PORT=${PAWL_DEMO_PORT:-8902} NO_COLOR=1 \
    sh workflows/visit-risk/demo.sh "$pawl" >"$work/demo" 2>&1 || { cat "$work/demo" "$work/results" >&2; exit 1; }
ended=$(date +%s%N)
printf 'quickstart\t%s\n' "$(((ended - begun) / 1000000))" >>"$work/results"

machine() {
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    disk=$(df --output=fstype "$work" | tail -n 1)
    docker=$(docker version --format '{{.Server.Version}}')
    load=$(cut -d ' ' -f 1 /proc/loadavg)
    echo "$(nproc) cores (${model:-unknown}), $memory, $disk, Linux $(uname -r), Docker $docker; load average $load at the end."
}

{
    echo "Measured on $(date -u +%Y-%m-%d) at commit \`$(git rev-parse --short HEAD)\` on $(machine)"
    echo
    awk -F '\t' -f tests/bench/table.awk "$work/results"
} >"$work/table"
cat "$work/table"
[ "${1:-}" != --print ] || exit 0

awk -v table="$work/table" '
    /^<!-- bench -->$/ { print; while ((getline line < table) > 0) print line; skipping = 1 }
    /^<!-- \/bench -->$/ { skipping = 0 }
    !skipping && !/^<!-- bench -->$/
' docs/performance.md >"$work/performance.md"
cp "$work/performance.md" docs/performance.md
