#!/bin/bash
# Runs as root in a bare Debian with the packages in /packages: installs, starts, calls, upgrades, removes, purges.
# script/check packages starts it there; anywhere else it refuses. /usr/bin/systemctl is the stand-in beside this file.
# shellcheck disable=SC2015,SC2016 # fail ends it; the inner shell expands
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say() { echo "clean Debian: $*"; }
fail() { say "FAILED: $*" && exit 1; }
install() { apt-get -qq install -y --no-install-recommends "$@" </dev/null >/tmp/apt.log 2>&1 || { tail /tmp/apt.log; fail "install $*"; }; }
# ready FILE WORD: until it says so
ready() { timeout 30 sh -c 'tail -n +1 -f "$0" 2>/dev/null | grep -q -m 1 -- "$1"' "$1" "$2" || { cat "$1"; fail "no '$2'"; }; }
[[ -e /packages && -e /in_clean_debian.sh ]] || fail "this is no bare Debian for it: script/check packages makes one"

mkdir -p /run/systemd/system # so that maintainer scripts turn to systemctl
apt-get -qq update >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get update"; }
install /packages/samovard_*.deb /packages/python3-samovar_*.deb
id samovar >/dev/null || fail "no user samovar"
grep -q 'WantedBy' /lib/systemd/system/samovard.service || fail "no unit"
[[ -L /etc/systemd/system/multi-user.target.wants/samovard.service ]] || fail "the unit is not enabled"
ready /tmp/samovard.log '^samovard: ready'
say "installed, and it has been started"

printf '\n[[service]]\nname = "words"\nexpose = "string:capwords"\n' >>/etc/samovar/samovard.toml
systemctl restart samovard.service
ready /tmp/samovard.log 'words.* ready'
[[ $(samovar call words.capwords "brew once") == '"Brew Once"' ]] || fail "samovar call"
samovar status | grep -q '^words ' || fail "samovar status"
[[ $(python3 -c 'import samovar; print(samovar.Client().words.capwords("pour many"))') == "Pour Many" ]] || fail "Python client"
samovar reload words >/dev/null || fail "samovar reload"
kill -HUP "$(cat /tmp/pid)" && samovar ping --count 1 >/dev/null || fail "SIGHUP"
say "called, reloaded"

# A later version, whose default configuration is another one. What was changed here is kept, and nobody is asked.
mkdir /tmp/later
for package in samovard python3-samovar; do
  dpkg-deb -R /packages/${package}_*.deb "/tmp/later/$package"
  sed -i 's/^Version: .*/Version: 99.0.0-1/' "/tmp/later/$package/DEBIAN/control"
done
echo '# a later default' >>/tmp/later/samovard/etc/samovar/samovard.toml
for package in samovard python3-samovar; do
  dpkg-deb -b "/tmp/later/$package" "/tmp/later/${package}_99.0.0-1.deb" >/dev/null
done
before=$(cat /tmp/pid)
install -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold /tmp/later/*.deb
for package in samovard python3-samovar; do
  [[ $(dpkg-query -W -f '${Version}' $package) == 99.0.0-1 ]] || fail "$package was not upgraded"
done
grep -q capwords /etc/samovar/samovard.toml || fail "the upgrade lost the configuration"
grep -q 'a later default' /etc/samovar/samovard.toml.dpkg-dist || fail "the later default configuration is nowhere"
[[ $(cat /tmp/pid) != "$before" ]] || fail "the upgrade has not started it again"
ready /tmp/samovard.log 'words.* ready'
[[ $(samovar call words.capwords "brew once") == '"Brew Once"' ]] || fail "samovar call after the upgrade"
say "upgraded, and it has been started again"

apt-get -qq remove -y samovard >/tmp/apt.log 2>&1 || fail remove
[[ ! -e /tmp/pid ]] || fail "it was removed, and still runs"
[[ -e /etc/samovar/samovard.toml && ! -e /usr/bin/samovard ]] || fail "removed too much or too little"
apt-get -qq purge -y samovard python3-samovar >/tmp/apt.log 2>&1 || fail purge
left=$(find / -xdev -iname '*samovar*' -not -path '/packages/*' -not -path '/tmp/*' -not -path '/proc/*' -not -path '/in_clean*')
[[ -z $left ]] || fail "left behind: $left"
! id samovar 2>/dev/null || fail "the user samovar is still there"
say "removed, purged: nothing is left"
