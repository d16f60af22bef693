#!/bin/sh
# Makes the image pawl-test/python:1 without any registry: this host's own distribution release with
# python3, bash, git and ca-certificates. Does nothing when the image is there. FORCE=1 imports it anew,
# FORCE=2 also builds the root file system anew.
#
# Needs: a Docker engine that answers, root (debootstrap does), apt. Installs debootstrap when it is missing.
set -eu

image=pawl-test/python:1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pawl/images
packages=bash,ca-certificates,git,python3

if [ -z "${FORCE:-}" ] && docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi

# The release of this host, so that the mirror that apt already uses surely has it.
release=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")
tarball=$cache/python-$release.tar
mkdir -p "$cache"

# The first mirror of this release's main part in apt's own configuration.
mirror() {
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        while read -r suite component uri; do
            if [ "$suite" = "$release" ] && [ "$component" = main ]; then
                echo "$uri"
                break
            fi
        done
}

build() {
    if [ "$(id -u)" != 0 ]; then
        echo "$0: debootstrap needs root; run: sudo sh $0" >&2
        exit 3
    fi
    command -v debootstrap >/dev/null || {
        apt-get -qq update
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y debootstrap >/dev/null
    }
    uri=$(mirror)
    if [ -z "$uri" ]; then
        echo "$0: apt's sources name no mirror of $release" >&2
        exit 3
    fi
    # debootstrap fetches by itself and does not know apt's proxy.
    proxy=$(apt-config dump Acquire::http::Proxy | sed -n 's/^Acquire::http::Proxy "\(.*\)";$/\1/p')
    if [ -n "$proxy" ]; then
        export http_proxy="$proxy"
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT INT TERM
    debootstrap --variant=minbase --include="$packages" "$release" "$work/root" "$uri" >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" "$work/root/debootstrap/debootstrap.log" >&2 || true
        exit 3
    }
    rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* \
        "$work"/root/usr/share/doc/* "$work"/root/usr/share/man/* "$work"/root/usr/share/locale/* \
        "$work"/root/var/log/*
    tar -C "$work/root" --numeric-owner --one-file-system --exclude=./proc/* --exclude=./sys/* \
        --exclude=./dev/* -cf "$tarball.new" .
    mv "$tarball.new" "$tarball"
}

if [ "${FORCE:-}" = 2 ] || [ ! -f "$tarball" ]; then
    build
fi
docker import --change 'CMD ["bash"]' --message "$release with $packages" - "$image" <"$tarball" >/dev/null
echo "made $image"
