#!/bin/bash
# Builds a Debian trixie chroot with the newest packaged Prosody and ejabberd (about 90 s, 600 MB). Needs root and debootstrap.
# PEERS_ROOT: where the chroot lies (default: $HOME/.cache/waddle-peers).
set -e
R=${PEERS_ROOT:-$HOME/.cache/waddle-peers}
MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
nice debootstrap --variant=minbase --include=ca-certificates trixie "$R" "$MIRROR"
printf '#!/bin/sh\nexit 101\n' > "$R/usr/sbin/policy-rc.d"; chmod +x "$R/usr/sbin/policy-rc.d"
printf 'deb %s trixie main\ndeb %s trixie-backports main\n' "$MIRROR" "$MIRROR" > "$R/etc/apt/sources.list"
mount --bind /proc "$R/proc" 2>/dev/null || true
mount --bind /dev "$R/dev" 2>/dev/null || true
chroot "$R" apt-get update
DEBIAN_FRONTEND=noninteractive chroot "$R" nice apt-get install -y --no-install-recommends -t trixie-backports prosody prosody-modules ejabberd ejabberd-contrib erlang-p1-sqlite3
DEBIAN_FRONTEND=noninteractive chroot "$R" nice apt-get install -y --no-install-recommends lua-sec lua-event lua-dbi-sqlite3 lua-unbound lua-readline procps openssl sqlite3
