#!/bin/sh
# Makes a Python environment with the real DVC and a server that speaks S3, in pinned versions, for the tests of versions of data.
# Does nothing when it is there. Prints its folder.
#
# Needs: python3 with venv, and the package registry that pip already uses.
set -eu

folder=${XDG_CACHE_HOME:-$HOME/.cache}/pawl/python-dvc-1
if [ ! -e "$folder/whole" ]; then
    # One at a time: tests start this, too.
    mkdir -p "$(dirname "$folder")"
    exec 9>"$folder.lock"
    flock 9
    if [ ! -e "$folder/whole" ]; then
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check \
            'dvc==3.67.1' 'dvc-s3==3.3.0' 'dvc-http==2.32.0' 'dvc-data==3.18.3' 'ruamel.yaml==0.19.1' 'moto[server]==5.2.5' >&2
        touch "$folder/whole"
    fi
fi
echo "$folder"
