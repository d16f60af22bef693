#!/bin/sh
# What a job of echo steps takes, beside one `docker run --rm` of the same image, each measured in turn in the same minutes: the
# machine's mood then touches all alike, which one command after the other (as hyperfine measures) does not give.
#
#   sh tests/bench/steps.sh PAWL [ROUNDS]      [default: 11 rounds; the medians are taken]
#
# Prints tab-separated lines: `steps NAME MILLISECONDS` for docker, 1, 10 and 100 steps, and `step MILLISECONDS`, what one more
# step takes between 10 and 100.
set -eu

pawl=${1:?usage: steps.sh PAWL [ROUNDS]}
rounds=${2:-11}
cd "$(dirname "$0")/../.."
image=pawl-test/busybox:1
sh tests/images/busybox.sh >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

for steps in 1 10 100; do
    {
        printf 'on: push\njobs:\n  bench:\n    runs-on: bench\n    steps:\n'
        yes '      - run: echo hello' | head -n "$steps" || true
    } >"$work/$steps.yml"
done

# Runs a command and notes how long it took: timed NAME COMMAND...
timed() {
    name=$1
    shift
    begun=$(date +%s%N)
    "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; exit 1; }
    ended=$(date +%s%N)
    echo $(((ended - begun) / 1000)) >>"$work/$name.us"
}

round() {
    timed docker docker run --rm "$image" sh -c 'echo hello'
    for steps in 1 10 100; do
        timed "$steps" "$pawl" run "$work/$steps.yml" --workspace "$work" --store "$work/store" --image "bench=$image"
    done
}

# The first round fills caches and makes the store.
round
rm -f "$work"/*.us
for _ in $(seq "$rounds"); do round; done

median() {
    sort -n "$work/$1.us" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2000 }'
}
for name in docker 1 10 100; do
    printf 'steps\t%s\t%s\n' "$name" "$(median "$name")"
done
awk -v ten="$(median 10)" -v hundred="$(median 100)" 'BEGIN { printf "step\t%.2f\n", (hundred - ten) / 90 }'
