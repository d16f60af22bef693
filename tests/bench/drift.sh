#!/bin/sh
# `pawl data drift --compat evidently` beside Evidently: two tables of 100,000 rows and ten columns (six of numbers, four of
# categories), as CSV; medians of three. The numbers of both are compared.
#
#   sh tests/bench/drift.sh PAWL [ROWS]      [default: 100,000 rows]
#
# Prints tab-separated lines: `drift WHO SECONDS MEBIBYTES` for pawl, Evidently's whole process, and the computing alone of both (no
# memory), without what comes before: the start of the process, libraries, reading the files.
set -eu
cd "$(dirname "$0")/../.."

pawl=${1:?usage: drift.sh PAWL [ROWS]}
rows=${2:-100000}
sh tests/images/python-drift.sh >&2
python=$HOME/.cache/pawl/python-drift-1/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/make.py" <<'PYTHON'
import sys

import numpy
import pandas

rows, folder = int(sys.argv[1]), sys.argv[2]
for seed, side in enumerate(["reference", "current"]):
    draw = numpy.random.default_rng(seed)
    numbers = {f"n{i}": draw.normal(0.02 * seed * i, 1, rows).round(6) for i in range(6)}
    words = numpy.array([f"kind-{k}" for k in range(12)])
    kinds = {f"c{i}": words[draw.integers(0, 4 + 2 * i, rows)] for i in range(4)}
    pandas.DataFrame(numbers | kinds).to_csv(f"{folder}/{side}.csv", index=False)
PYTHON
cat >"$work/theirs.py" <<'PYTHON'
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import pandas
from evidently import Report
from evidently.presets import DataDriftPreset

folder = sys.argv[1]
reference, current = (pandas.read_csv(f"{folder}/{side}.csv") for side in ["reference", "current"])
begun = time.monotonic()
snapshot = Report([DataDriftPreset()]).run(current, reference)
took = time.monotonic() - begun
found = {}
for metric in snapshot.dict()["metrics"]:
    column = metric.get("config", {}).get("column")
    if column:
        found[column] = float(metric["value"])
json.dump({"seconds": took, "scores": found}, open(f"{folder}/evidently.json", "w"))
PYTHON
cat >"$work/compare.py" <<'PYTHON'
import json
import sys

folder = sys.argv[1]
theirs = json.load(open(f"{folder}/evidently.json"))["scores"]
ours = {column["column"]: column["score"] for column in json.load(open(f"{folder}/pawl.json"))["columns"]}
assert ours.keys() == theirs.keys(), (ours, theirs)
for name, score in ours.items():
    assert abs(score - theirs[name]) <= 1e-9 * abs(score) + 1e-12, (name, score, theirs[name])
PYTHON
"$python" "$work/make.py" "$rows" "$work"

for _ in 1 2 3; do
    python3 tests/bench/measure.py time "$pawl" data drift "$work/reference.csv" "$work/current.csv" --compat evidently --json \
        >>"$work/pawl.times"
    PAWL_LOG=debug "$pawl" data drift "$work/reference.csv" "$work/current.csv" --compat evidently --json 2>&1 >/dev/null |
        sed -n 's/.*compared_us=\([0-9]*\).*/\1/p' | awk '{ print $1 / 1e6 }' >>"$work/pawl-alone.times"
    python3 tests/bench/measure.py time "$python" "$work/theirs.py" "$work" >>"$work/evidently.times"
    "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["seconds"])' "$work/evidently.json" >>"$work/alone.times"
done
"$pawl" data drift "$work/reference.csv" "$work/current.csv" --compat evidently --json >"$work/pawl.json"
"$python" "$work/compare.py" "$work" >&2

median() {
    sort -n "$1" | sed -n 2p
}
printf 'drift\tpawl\t%s\n' "$(median "$work/pawl.times")"
printf 'drift\tevidently\t%s\n' "$(median "$work/evidently.times")"
printf 'drift\tpawl alone\t%s\n' "$(median "$work/pawl-alone.times")"
printf 'drift\tevidently alone\t%s\n' "$(median "$work/alone.times")"
