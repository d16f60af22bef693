#!/bin/sh
# `pawl data validate` beside pandera: a million rows of five mixed columns, ten checks, as CSV and as Parquet; whole processes,
# medians of three. Then ten million unique keys in bounded memory. Asserts the memory, prints tab-separated lines:
# `contracts NAME SECONDS MEBIBYTES`.
#
#   sh tests/bench/contracts.sh PAWL [ROWS]      [default: 1,000,000 rows]
set -eu
cd "$(dirname "$0")/../.."

pawl=${1:?usage: contracts.sh PAWL [ROWS]}
rows=${2:-1000000}
python=$(sh tests/bench/pandera.sh)/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/make.py" <<'PYTHON'
import sys

import numpy
import pandas

rows, folder = int(sys.argv[1]), sys.argv[2]
draw = numpy.random.default_rng(7)
days = numpy.array([f"2024-{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 29)])
table = pandas.DataFrame({
    "id": draw.permutation(rows),
    "plan": numpy.array(["free", "basic", "pro"])[draw.integers(0, 3, rows)],
    "age": draw.integers(0, 100, rows),
    "cost": draw.random(rows).round(4) * 1000,
    "code": [f"A-{number:07}" for number in draw.integers(0, 10_000_000, rows)],
})
table.to_csv(f"{folder}/d.csv", index=False)
table.to_parquet(f"{folder}/d.parquet")
with open(f"{folder}/keys.csv", "w") as file:
    file.write("id\n")
    for key in range(10 * rows):
        file.write(f"{(key * 2654435761) % (1 << 40)}\n")
PYTHON
cat >"$work/check.py" <<'PYTHON'
import sys

import pandas
import pandera.pandas as pandera

schema = pandera.DataFrameSchema({
    "id": pandera.Column(int, nullable=False, unique=True),
    "plan": pandera.Column(str, pandera.Check.isin(["free", "basic", "pro"]), nullable=False),
    "age": pandera.Column(int, pandera.Check.in_range(0, 120)),
    "cost": pandera.Column(float, [pandera.Check.ge(0), pandera.Check.le(1000)]),
    "code": pandera.Column(str, [pandera.Check.str_matches(r"^A-\d{7}$"), pandera.Check.str_length(max_value=9)]),
})
path = sys.argv[1]
table = pandas.read_csv(path) if path.endswith(".csv") else pandas.read_parquet(path)
schema.validate(table, lazy=True)
PYTHON
cat >"$work/c.odcs.yaml" <<'CONTRACT'
apiVersion: v3.1.0
kind: DataContract
id: bench
version: 1.0.0
status: active
schema:
  - name: d
    properties:
      - { name: id, logicalType: integer, required: true, unique: true }
      - name: plan
        logicalType: string
        required: true
        quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [free, basic, pro] } }]
      - { name: age, logicalType: integer, logicalTypeOptions: { minimum: 0, maximum: 120 } }
      - { name: cost, logicalType: number, logicalTypeOptions: { minimum: 0, maximum: 1000 } }
      - { name: code, logicalType: string, logicalTypeOptions: { pattern: '^A-\d{7}$', maxLength: 9 } }
  - { name: keys, properties: [{ name: id, logicalType: integer, unique: true }] }
CONTRACT
"$python" "$work/make.py" "$rows" "$work"

# Seconds and peak MiB of a command, the median of three by time.
measured() {
    name=$1
    shift
    for _ in 1 2 3; do
        "$python" - "$@" <<'PYTHON'
import resource, subprocess, sys, time
begun = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(f"{time.monotonic() - begun:.3f}\t{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f}")
PYTHON
    done | sort -n | sed -n 2p | sed "s/^/contracts\t$name\t/" | tee -a "$work/figures"
}
validate() {
    file=$1
    shift
    echo "$pawl" data validate "$work/$file" --contract "$work/c.odcs.yaml" --json "$@"
}
for kind in csv parquet; do
    # shellcheck disable=SC2046 # words of a command
    measured "pawl $kind" $(validate "d.$kind")
    # shellcheck disable=SC2046
    measured "pawl $kind one thread" $(validate "d.$kind" --threads 1)
    measured "pandera $kind" "$python" "$work/check.py" "$work/d.$kind"
done
# shellcheck disable=SC2046
measured "pawl unique keys, 64M" $(validate keys.csv --schema keys --memory 64M)

# The limit is one: what is not keys is a few blocks for each thread.
awk -F '\t' '$2 == "pawl unique keys, 64M" && $4 > 64 + 96 { print $2 " took " $4 " MiB"; exit 1 }' "$work/figures" >&2
