#!/bin/sh
# Jobs that are heavy in one way each, beside act where there is one: a matrix of twenty legs, a hundred megabytes of log (in two steps:
# the log of one is cut at 64 MiB), a
# workspace of fifty thousand small files; and how soon a printed line is at stdout.
#
#   sh tests/bench/load.sh PAWL [ACT]      ACT is the path of act's binary
#
# Prints tab-separated lines: `load NAME WHO SECONDS PEAK_MIB` (the medians of three) and `latency MEDIAN_MS LONGEST_MS LINES`.
set -eu

pawl=${1:?usage: load.sh PAWL [ACT]}
act=${2:-}
rounds=${ROUNDS:-3}
cd "$(dirname "$0")/../.."
here=$PWD
for image in tests/images/*.sh; do sh "$image" >&2; done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# project NAME IMAGE < WORKFLOW: a repository with one workflow.
project() {
    mkdir -p "$work/$1/.github/workflows"
    cat >"$work/$1/.github/workflows/w.yml"
    git -C "$work/$1" init -q -b main
    printf '%s' "$2" >"$work/$1.image"
}

commit() {
    git -C "$work/$1" add -A
    git -C "$work/$1" -c gc.auto=0 -c user.name=bench -c user.email=bench@example.org commit -qm bench
}

project matrix pawl-test/busybox:1 <<'W'
on: push
defaults: { run: { shell: sh } } # act takes bash, which is not there
jobs:
  leg:
    runs-on: bench
    strategy:
      matrix:
        n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    steps:
      - run: sleep 0.1
      - run: sleep 0.1
      - run: sleep 0.1
      - run: sleep 0.1
W
project log pawl-test/busybox:1 <<'W'
on: push
defaults: { run: { shell: sh } } # act takes bash, which is not there
jobs:
  talk:
    runs-on: bench
    steps:
      - run: yes 'epoch 12 loss 0.9312 accuracy 0.8841 step 400 of 1000 worker-3 saved to /work/models/model-12.bin' | head -c 50000000
      - run: yes 'epoch 12 loss 0.9312 accuracy 0.8841 step 400 of 1000 worker-3 saved to /work/models/model-12.bin' | head -c 50000000
W
project bare pawl-test/busybox:1 <<'W'
on: push
defaults: { run: { shell: sh } } # act takes bash, which is not there
jobs:
  look:
    runs-on: bench
    steps:
      - run: echo hello
W
project files pawl-test/busybox:1 <<'W'
on: push
defaults: { run: { shell: sh } } # act takes bash, which is not there
jobs:
  look:
    runs-on: bench
    steps:
      - uses: actions/checkout@v4
      - run: test -f tree/499/99.txt
W
awk -v root="$work/files/tree" 'BEGIN {
    for (d = 0; d < 500; d++) {
        system("mkdir -p " root "/" d)
        for (f = 0; f < 100; f++) { name = root "/" d "/" f ".txt"; printf "file %d of folder %d\n", f, d > name; close(name) }
    }
}'
project line pawl-test/python:1 <<'W'
on: push
defaults: { run: { shell: sh } } # act takes bash, which is not there
jobs:
  talk:
    runs-on: bench
    steps:
      - shell: python
        run: |
          import time
          for _ in range(50):
              print(f"at:{time.time_ns()}", flush=True)
              time.sleep(0.02)
W
for name in matrix log bare files line; do commit "$name"; done

pawl_run() {
    kind=$2 name=$1
    shift 2
    (cd "$work/$name" && python3 "$here/tests/bench/measure.py" "$kind" "$pawl" run .github/workflows/w.yml --store "$work/store" \
        --image "bench=$(cat "$work/$name.image")" "$@")
}

act_run() {
    (cd "$work/$1" && python3 "$here/tests/bench/measure.py" time "$act" push --pull=false -P "bench=$(cat "$work/$1.image")" \
        --workflows .github/workflows/w.yml)
}

median() {
    sort -n "$1" | awk -F '\t' '{ line[NR] = $0 } END { print line[int((NR + 1) / 2)] }'
}

for name in matrix log bare files; do
    echo "$name" >&2
    for _ in $(seq "$rounds"); do
        pawl_run "$name" time >>"$work/$name.pawl"
        [ -z "$act" ] || act_run "$name" >>"$work/$name.act"
    done
    printf 'load\t%s\tpawl\t%s\n' "$name" "$(median "$work/$name.pawl")"
    [ -z "$act" ] || printf 'load\t%s\tact\t%s\n' "$name" "$(median "$work/$name.act")"
done
for _ in $(seq "$rounds"); do
    rm -rf "$work/copy"
    python3 tests/bench/measure.py time cp -a "$work/files" "$work/copy" >>"$work/copy.times"
done
printf 'load\tfiles\tcp\t%s\n' "$(median "$work/copy.times")"
printf 'latency\t%s\n' "$(pawl_run line latency --json)"
