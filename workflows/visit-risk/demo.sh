#!/bin/sh
# Shows the main job in one sitting, from real computation: a first model, a better one, a worse one, one whose service is
# broken, and a rollback by hand. A client asks for predictions all the while; it must never be refused.
#
# Usage: demo.sh PAWL    (the static pawl binary; runner/quickstart.sh builds and passes it)
# PAWL_DEMO_STORE is the store to use, emptied first; PAWL_DEMO_PORT the port of the service.
set -eu

pawl=${1:?usage: demo.sh PAWL}
here=$(cd "$(dirname "$0")" && pwd)
workflow=$here/train-gate-deploy.yml
store=${PAWL_DEMO_STORE:-${XDG_STATE_HOME:-$HOME/.local/state}/pawl-quickstart}
port=${PAWL_DEMO_PORT:-8901}
service=visit-risk
url=http://127.0.0.1:$port
scratch=$(mktemp -d)
client=

# Bold on a terminal, plain in a file.
say() {
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
        printf '\n\033[1m%s\033[0m\n' "$*"
    else
        printf '\n%s\n' "$*"
    fi
}

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# Nothing is left running: the client, and the service's containers and network.
clean() {
    [ -z "$client" ] || kill "$client" 2>/dev/null || true
    for name in $(docker ps -aq --filter "name=^pawl-svc-$service-"); do
        docker rm -fv "$name" >/dev/null 2>&1 || true
    done
    docker network rm "pawl-svc-$service" >/dev/null 2>&1 || true
}
trap 'clean; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# Runs the workflow and checks how it ends: expect EXIT [INPUT...]
expect() {
    wanted=$1
    shift
    inputs=
    for input in "$@"; do inputs="$inputs --input $input"; done
    code=0
    # Inputs hold no blanks, so that splitting them again is safe.
    # shellcheck disable=SC2086
    "$pawl" run "$workflow" --workspace "$here" --store "$store" --input "port=$port" $inputs || code=$?
    [ "$code" = "$wanted" ] || fail "the run ended with exit code $code, not $wanted"
}

ask() {
    curl --silent --show-error --fail --max-time 5 -H 'content-type: application/json' \
        --data '{"rows":[{"lncoins":4.61512,"idp":1,"lpi":6.907755,"fmde":0,"physlm":0,"disea":13.73189,"hlthg":1,"hlthf":0,"hlthp":0}]}' \
        "$url/predict"
}

# The model version that production points at.
production() {
    "$pawl" models $service --json --store "$store" | tr ',{' '\n\n' | sed -n 's/^"production":\([0-9]*\).*/\1/p'
}

clean
rm -rf "$store"

say "1. The first model, learnt from the insurance plan alone: there is nothing to compare with, so it passes only with allow-first"
expect 1 algorithm=logistic-regression features=lncoins,idp,lpi,fmde
expect 0 algorithm=logistic-regression features=lncoins,idp,lpi,fmde allow-first=true
echo "production is version $(production); a prediction: $(ask)"

# From here on a client asks for predictions without a pause and counts what goes wrong.
(
    asked=0 refused=0
    trap 'echo "$asked $refused" >"$scratch/client"; exit 0' TERM
    while :; do
        asked=$((asked + 1))
        ask >"$scratch/answer" 2>>"$scratch/errors" || refused=$((refused + 1))
        sleep 0.02
    done
) &
client=$!

say "2. A better candidate: a forest over all columns passes the gate and is deployed while the client asks"
before=$(production)
expect 0 algorithm=random-forest
[ "$(production)" != "$before" ] || fail "production still points at version $before"
echo "production is version $(production); a prediction: $(ask)"

echo "The run's report begins:"
"$pawl" logs --summary --job report --store "$store" | head -n 14

say "3. A worse candidate: learnt from two columns, it fails the gate; production is untouched"
before=$(production)
expect 1 algorithm=logistic-regression features=lncoins,idp
[ "$(production)" = "$before" ] || fail "production moved to version $(production)"
echo "production is still version $(production)"

say "4. A candidate that passes the gate, but its service is broken: it is rolled back by itself"
expect 1 algorithm=random-forest seed=1 rehearse=wrong-answers
[ "$(production)" = "$before" ] || fail "production moved to version $(production)"
echo "production is still version $(production); a prediction: $(ask)"

say "5. A rollback by hand"
"$pawl" rollback $service --store "$store"
echo "production is version $(production); a prediction: $(ask)"

kill -TERM "$client"
wait "$client" 2>/dev/null || true
client=
read -r asked refused <"$scratch/client"
say "The client asked $asked times and was refused $refused times"
[ "$refused" = 0 ] || fail "requests failed: $(sort "$scratch/errors" | uniq -c | head -n 3)"
[ "$asked" -gt 50 ] || fail "the client asked only $asked times"
"$pawl" models --store "$store"
