#!/bin/sh
# Makes the image pawl-test/busybox:1 without any registry: the distribution's static busybox and links to
# its applets, nothing else. Does nothing when the image is there. FORCE=1 makes it anew.
#
# Needs: a Docker engine that answers, apt, dpkg-deb.
set -eu

image=pawl-test/busybox:1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pawl/images
binary=$cache/busybox

if [ -z "${FORCE:-}" ] && docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
mkdir -p "$cache"

# Fetched into a folder of our own, so that neither the host's packages nor its apt cache change.
fetch() {
    (
        cd "$work"
        # apt's own download user may not write here, which it only remarks on.
        apt-get -qq download busybox-static 2>/dev/null || {
            apt-get -qq update
            apt-get -qq download busybox-static
        }
        dpkg-deb -x busybox-static_*.deb unpacked
    )
    # Debian moved it from /bin to /usr/bin.
    for place in "$work/unpacked/bin/busybox" "$work/unpacked/usr/bin/busybox"; do
        if [ -f "$place" ]; then
            cp "$place" "$binary.new"
            mv "$binary.new" "$binary"
            return
        fi
    done
    echo "$0: the package busybox-static holds no busybox" >&2
    exit 1
}

[ -x "$binary" ] || fetch

root=$work/root
mkdir -p "$root/bin" "$root/etc" "$root/root" "$root/tmp"
chmod 1777 "$root/tmp"
cp "$binary" "$root/bin/busybox"
for applet in $("$binary" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

tar -C "$root" --owner=0 --group=0 --numeric-owner -cf - . |
    docker import --change 'ENV PATH=/bin' --message 'static busybox' - "$image" >/dev/null
echo "made $image"
