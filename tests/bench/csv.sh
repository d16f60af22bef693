#!/bin/sh
# Rows a second of `pawl/validate` on a CSV file, beside reading the same file once.
#
#   sh tests/bench/csv.sh PAWL [ROWS]      [default: 1,000,000 rows]
#
# Prints tab-separated lines: `csv ROWS MEGABYTES VALIDATE_SECONDS READ_SECONDS`, the medians of three.
set -eu

pawl=${1:?usage: csv.sh PAWL [ROWS]}
rows=${2:-1000000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

awk -v rows="$rows" 'BEGIN {
    srand(7)
    print "id,plan,age,cost,day,note"
    for (i = 1; i <= rows; i++)
        printf "%d,%s,%d,%.4f,2024-%02d-%02d,%s\n", i, (rand() < 0.5 ? "free" : "basic"), int(rand() * 90),
            rand() * 1000, 1 + int(rand() * 12), 1 + int(rand() * 28), (i % 10 ? "note " i : "")
}' >"$work/data.csv"
cat >"$work/contract.odcs.yaml" <<'CONTRACT'
apiVersion: v3.1.0
kind: DataContract
id: bench
version: 1.0.0
status: active
schema:
  - name: data
    properties:
      - { name: id, logicalType: integer, required: true, unique: true }
      - { name: plan, logicalType: string, required: true, logicalTypeOptions: { pattern: '^(free|basic)$' } }
      - { name: age, logicalType: integer, required: true, logicalTypeOptions: { minimum: 0, maximum: 120 } }
      - { name: cost, logicalType: number, required: true, logicalTypeOptions: { minimum: 0 } }
      - { name: day, logicalType: date, required: true }
      - { name: note, logicalType: string, logicalTypeOptions: { maxLength: 100 } }
CONTRACT

timed() {
    name=$1
    shift
    begun=$(date +%s%N)
    "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; exit 1; }
    ended=$(date +%s%N)
    echo $(((ended - begun) / 1000)) >>"$work/$name.us"
}
for _ in 1 2 3; do
    timed read wc -l "$work/data.csv"
    timed validate "$pawl" actions run validate --workspace "$work" --store "$work/store" \
        --with data=data.csv --with contract=contract.odcs.yaml
done
median() {
    sort -n "$work/$1.us" | awk 'NR == 2 { print $1 / 1000000 }'
}
megabytes=$(($(wc -c <"$work/data.csv") / 1000000))
printf 'csv\t%s\t%s\t%s\t%s\n' "$rows" "$megabytes" "$(median validate)" "$(median read)"
