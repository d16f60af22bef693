#!/bin/sh
# Writes the generated parts of the documents anew. The tests say when that is due.
#
#   sh docs/generate.sh                the references and schemas, from the program itself
#   sh docs/generate.sh --quickstart   also the README's output, from a real run of the quickstart
#
#   PAWL_BIN  the program [default: the development build, made here]
set -eu
cd "$(dirname "$0")/.."

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pawl/target}
export CARGO_TARGET_DIR

if [ -z "${PAWL_BIN:-}" ]; then
    PAWL_BIN=$(cargo build --package pawl --message-format=json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\/pawl\)".*/\1/p' | tail -n 1)
fi
for part in actions cli compatibility diagnostics; do
    "$PAWL_BIN" reference "$part" >"docs/$part.md.new"
    mv "docs/$part.md.new" "docs/$part.md"
done
for name in $("$PAWL_BIN" reference schema); do
    "$PAWL_BIN" reference schema "$name" >"schemas/$name.json.new"
    mv "schemas/$name.json.new" "schemas/$name.json"
done

[ "${1:-}" = --quickstart ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
# In a folder of its own, so that the output is that of a first time. A failure must not get into the README.
XDG_STATE_HOME=$work/state NO_COLOR=1 sh runner/quickstart.sh >"$work/all"
# What the demonstration prints; before it stands what was installed and built.
sed '1,/^built /d' "$work/all" >"$work/output"
[ -s "$work/output" ] || { echo "$0: the quickstart printed nothing" >&2; exit 1; }
awk -v output="$work/output" '
    /^<!-- quickstart-output -->$/ {
        print; print "```text"
        while ((getline line < output) > 0) print line
        print "```"
        skipping = 1
    }
    /^<!-- \/quickstart-output -->$/ { skipping = 0 }
    !skipping && !/^<!-- quickstart-output -->$/
' README.md >"$work/README.md"
cp "$work/README.md" README.md
