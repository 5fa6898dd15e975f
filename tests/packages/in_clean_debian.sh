#!/bin/bash
# Runs as root in a bare Debian with the packages in /packages: installs, starts, calls, upgrades, removes, purges.
# shellcheck disable=SC2015,SC2016 # fail ends it; the inner shell expands
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say() { echo "clean Debian: $*"; }
fail() { say "FAILED: $*" && exit 1; }
install() { apt-get -qq install -y --no-install-recommends "$@" </dev/null >/tmp/apt.log 2>&1 || { tail /tmp/apt.log; fail "install $*"; }; }
# ready FILE WORD: until it says so
ready() { timeout 30 sh -c 'tail -n +1 -f "$0" 2>/dev/null | grep -q -m 1 -- "$1"' "$1" "$2" || { cat "$1"; fail "no '$2'"; }; }

apt-get -qq update >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get update"; }
install /packages/samovard_*.deb /packages/python3-samovar_*.deb
id samovar >/dev/null || fail "no user samovar"
grep -q 'WantedBy' /lib/systemd/system/samovard.service || fail "no unit"
[[ -L /etc/systemd/system/multi-user.target.wants/samovard.service ]] || fail "the unit is not enabled"
say installed

# As the unit starts it: its own command, its own user.
printf '\n[[service]]\nname = "words"\nexpose = "string:capwords"\n' >>/etc/samovar/samovard.toml
command=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/samovard.service)
mkdir -p /var/lib/samovar && chown samovar: /var/lib/samovar
# shellcheck disable=SC2086 # its words
STATE_DIRECTORY=/var/lib/samovar setpriv --reuid samovar --regid samovar --clear-groups $command >/tmp/samovard.log 2>&1 &
broker=$!
ready /tmp/samovard.log 'words.* ready'
[[ $(samovar call words.capwords "brew once") == '"Brew Once"' ]] || fail "samovar call"
samovar status | grep -q '^words ' || fail "samovar status"
[[ $(python3 -c 'import samovar; print(samovar.Client().words.capwords("pour many"))') == "Pour Many" ]] || fail "Python client"
samovar reload words >/dev/null || fail "samovar reload"
kill -HUP $broker && samovar ping --count 1 >/dev/null || fail "SIGHUP"
say "started, called, reloaded"
kill $broker && wait $broker || fail "samovard ended with $?"

# The same version again is an upgrade as far as dpkg is concerned: what was changed is kept.
dpkg -i /packages/samovard_*.deb >/tmp/dpkg.log 2>&1 </dev/null || { cat /tmp/dpkg.log; fail upgrade; }
grep -q capwords /etc/samovar/samovard.toml || fail "the upgrade lost the configuration"
apt-get -qq remove -y samovard >/tmp/apt.log 2>&1 || fail remove
[[ -e /etc/samovar/samovard.toml && ! -e /usr/bin/samovard ]] || fail "removed too much or too little"
apt-get -qq purge -y samovard python3-samovar >/tmp/apt.log 2>&1 || fail purge
left=$(find / -xdev -iname '*samovar*' -not -path '/packages/*' -not -path '/tmp/*' -not -path '/proc/*' -not -path '/in_clean*')
[[ -z $left ]] || fail "left behind: $left"
! id samovar 2>/dev/null || fail "the user samovar is still there"
say "upgraded, removed, purged: nothing is left"
