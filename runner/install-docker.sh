#!/bin/sh
# Makes sure that a Docker engine answers: does nothing when one does; as root on Debian or Ubuntu installs the
# distribution's engine and starts it; otherwise prints the one command to run and ends with 3.
set -eu

# Two minutes: a first start makes the storage and the firewall rules, on a slow disk.
patience=120
log=${TMPDIR:-/tmp}/pawl-dockerd.log

answers() {
    docker info >/dev/null 2>&1
}

fail() {
    echo "$0: $1" >&2
    exit 3
}

command -v docker >/dev/null 2>&1 && answers && exit 0

if [ -n "${DOCKER_HOST:-}" ]; then
    fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
fi
if [ "$(id -u)" != 0 ]; then
    fail "no Docker engine answers (or you may not use it); run: sudo sh $0 && sudo usermod -aG docker $(id -un)"
fi

install() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "no Docker engine answers, and this is neither Debian nor Ubuntu: install one with your package manager"
    # iptables is only recommended by the engine's package, and its networks need it. Newer releases have the client in a
    # package of its own.
    packages="docker.io iptables"
    apt-get -qq update
    if apt-cache show docker-cli >/dev/null 2>&1; then
        packages="$packages docker-cli"
    fi
    echo "installing a Docker engine from the distribution's packages: $packages"
    # shellcheck disable=SC2086  # the list is meant to be split
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >"$log.apt" 2>&1 || {
        tail -n 20 "$log.apt" >&2
        fail "the Docker engine could not be installed"
    }
}

wait_until_it_answers() {
    waited=0
    while [ "$waited" -lt "$1" ]; do
        answers && return 0
        sleep 1
        waited=$((waited + 1))
    done
    return 1
}

start() {
    if command -v systemctl >/dev/null 2>&1 && [ -d /run/systemd/system ]; then
        systemctl start docker && wait_until_it_answers "$patience" && return 0
    fi
    # Without an init system: a few seconds for the distribution's own script, then the engine itself, detached from this
    # terminal, with its log in a file.
    if command -v service >/dev/null 2>&1 && service docker start >/dev/null 2>&1; then
        wait_until_it_answers 15 && return 0
    fi
    if ! pidof dockerd >/dev/null 2>&1; then
        echo "starting dockerd; its log: $log"
        nohup dockerd >"$log" 2>&1 </dev/null &
    fi
    wait_until_it_answers "$patience" && return 0
    tail -n 20 "$log" >&2 2>/dev/null || true
    fail "the Docker engine does not answer after $patience s"
}

command -v dockerd >/dev/null 2>&1 && command -v docker >/dev/null 2>&1 || install
start
echo "the Docker engine answers: $(docker info --format '{{.ServerVersion}}')"
