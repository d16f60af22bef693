#!/bin/sh
# Builds the fuzz targets and runs each for a while; stops at the first input that crashes one. See README.md.
#
#   sh tests/fuzz/run.sh [SECONDS] [TARGET...]     [default: 20 seconds, every target]
#
#   SEED              where the fuzzer's random numbers begin [default: 1, so that a change is tested with what the last one was;
#                     0 takes another one each time]
#   CARGO_TARGET_DIR  where builds go [default: ~/.cache/pawl/fuzz]; found inputs are kept beside it, in `corpus`
set -eu
cd "$(dirname "$0")"

seconds=${1:-20}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- workflow plan action expression contract csv jsonl parquet predictions model commands env_file matcher options lock archive pointer dvc_lock

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pawl/fuzz}
export CARGO_TARGET_DIR
# The flags of cargo-fuzz, for the stable compiler. They replace those of .cargo/config.toml: a static program has no room
# for the address sanitizer.
RUSTC_BOOTSTRAP=1
RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Coverflow-checks -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTC_BOOTSTRAP RUSTFLAGS

# The versions that are shipped are the ones that are fuzzed.
[ Cargo.lock -nt ../../Cargo.lock ] || cp ../../Cargo.lock Cargo.lock
host=$(rustc -vV | sed -n 's/^host: //p')
features=
for target in "$@"; do
    case $target in
        contract | csv | jsonl | parquet | predictions) features="$features,data" ;;
        pointer | dvc_lock) features="$features,versions" ;;
        model) features="$features,models" ;;
    esac
done
cargo build --quiet --release --target "$host" --bins --no-default-features --features "$features"

# Whole files to start from: without one, a fuzzer hardly ever finds the way into a format.
seed() {
    case $1 in
        workflow | plan) cp ../../workflows/*/*.yml ../corpus/sound/*.yml "$2" ;;
        contract) cp ../../workflows/*/*.odcs.yaml "$2" ;;
        csv) head -q -n 20 ../../workflows/visit-risk/storage/files/md5/*/* >"$2/visits.csv" ;;
    esac
    if [ -d "seeds/$1" ]; then cp seeds/"$1"/* "$2"; fi
}

# One target to its end. A crash leaves its input behind.
fuzz() {
    target=$1
    corpus=$CARGO_TARGET_DIR/corpus/$target
    mkdir -p "$corpus"
    seed "$target" "$corpus"
    # What crashed it before is tried again, first.
    for old in "$CARGO_TARGET_DIR/crashes/$target-"*; do
        case $old in *-none | *-\*) ;; *) mv "$old" "$corpus" ;; esac
    done
    if [ -z "$(ls "$corpus")" ]; then
        echo "it has no seeds" >"$CARGO_TARGET_DIR/crashes/$target-none"
        return
    fi
    "$CARGO_TARGET_DIR/$host/release/$target" "$corpus" -seed="${SEED:-1}" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="$CARGO_TARGET_DIR/crashes/$target-" -print_final_stats=1 \
        >"$CARGO_TARGET_DIR/$target.log" 2>&1 || true
    grep -E '^(stat::number_of_executed_units|stat::peak_rss_mb|==|SUMMARY|thread|Test unit)|panicked|ERROR' \
        "$CARGO_TARGET_DIR/$target.log" | sed "s/^/$target: /"
    # A target that ran nothing found nothing.
    ! grep -q '^stat::number_of_executed_units: *[1-9]' "$CARGO_TARGET_DIR/$target.log" ||
        rm "$CARGO_TARGET_DIR/crashes/$target-none"
}

# What does not come to its end has no good one: that goes when a target has run.
mkdir -p "$CARGO_TARGET_DIR/crashes"
rm -f "$CARGO_TARGET_DIR"/crashes/*-none
for target in "$@"; do
    echo "it did not run" >"$CARGO_TARGET_DIR/crashes/$target-none"
done
# As many at once as there are cores, at most four: each takes one and up to 2 GiB.
lanes=$(nproc)
[ "$lanes" -le 4 ] || lanes=4
echo "$# targets, $seconds s each, $lanes at once"
running=0
for target in "$@"; do
    fuzz "$target" &
    running=$((running + 1))
    if [ "$running" -eq "$lanes" ]; then
        wait
        running=0
    fi
done
wait
for target in "$@"; do
    if ls "$CARGO_TARGET_DIR/crashes/$target-"* >/dev/null 2>&1; then
        echo "$0: $target crashed: $(ls "$CARGO_TARGET_DIR/crashes/$target-"*), see $CARGO_TARGET_DIR/$target.log" >&2
        exit 1
    fi
done
