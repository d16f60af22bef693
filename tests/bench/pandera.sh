#!/bin/sh
# Makes a virtual environment with pandera, for the benchmark of contracts, and prints its folder. Does nothing when it is there.
#
# Needs: python3 with venv, and a package index that pip reaches.
set -eu

versions='pandera==0.24.0 pandas==2.2.3 pyarrow==18.1.0'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pawl/python-contracts
mark=$cache/versions

if [ "$(cat "$mark" 2>/dev/null)" != "$versions" ]; then
    rm -rf "$cache"
    mkdir -p "$(dirname "$cache")"
    python3 -m venv "$cache" >&2
    # shellcheck disable=SC2086 # one word a package
    "$cache/bin/pip" install --quiet --disable-pip-version-check $versions >&2
    echo "$versions" >"$mark"
fi
echo "$cache"
