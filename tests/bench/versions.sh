#!/bin/sh
# Seconds of `pawl data add` beside `dvc add`, on many small files and on one large file, with an empty cache each time.
#
#   sh tests/bench/versions.sh PAWL [FILES] [MEGABYTES]      [default: 10,000 files, 10,000 MB]
#
# Prints tab-separated lines: `add WHAT AMOUNT PAWL_SECONDS DVC_SECONDS`, the medians of three. DVC comes from
# tests/images/python-dvc.sh, and needs as much space besides as the large file has, twice.
set -eu

pawl=${1:?usage: versions.sh PAWL [FILES] [MEGABYTES]}
files=${2:-10000}
megabytes=${3:-10000}
dvc=$(sh "$(dirname "$0")/../images/python-dvc.sh")/bin/dvc
DVC_NO_ANALYTICS=1
export DVC_NO_ANALYTICS
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT INT TERM
cd "$work"
git init -q
"$pawl" data init >/dev/null

mkdir many
awk -v files="$files" 'BEGIN {
    srand(7)
    for (i = 0; i < files; i++) {
        name = sprintf("many/%05d.csv", i)
        for (line = 0; line < 40; line++) printf "%d,%.6f,%.6f,row %d\n", line, rand(), rand(), i > name
        close(name)
    }
}'
# Random, so that no file system stores it smaller than it is.
head -c "${megabytes}000000" /dev/urandom >one

timed() {
    name=$1
    what=$2
    shift 2
    chmod -R u+w .dvc/cache 2>/dev/null || true
    rm -rf .dvc/cache .dvc/tmp "$what.dvc" .gitignore
    # What DVC remembers of hashes.
    rm -rf "${XDG_CACHE_HOME:-$work/none}/dvc" /var/tmp/dvc
    begun=$(date +%s%N)
    "$@" >output 2>&1 || { cat output >&2; exit 1; }
    ended=$(date +%s%N)
    echo $(((ended - begun) / 1000)) >>"$name-$what.us"
}
median() {
    sort -n "$1.us" | awk 'NR == 2 { printf "%.3f", $1 / 1000000 }'
}
for what in many one; do
    for _ in 1 2 3; do
        timed pawl "$what" "$pawl" data add "$what"
        timed dvc "$what" "$dvc" add -q "$what"
    done
done
printf 'add\tfiles\t%s\t%s\t%s\n' "$files" "$(median pawl-many)" "$(median dvc-many)"
printf 'add\tmegabytes\t%s\t%s\t%s\n' "$megabytes" "$(median pawl-one)" "$(median dvc-one)"
