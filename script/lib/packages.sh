# shellcheck shell=bash
# install_packages FILE: installs the Debian packages named in FILE that are missing; exits with a sentence
# that names them where that is not possible.

missing_packages() {
  local package
  grep -oE '^[^# ]+' "$1" | while read -r package; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

install_packages() {
  local missing as_root=() log=build/packages.log
  missing=$(missing_packages "$1" | xargs)
  [[ -n $missing ]] || return 0
  ((EUID == 0)) || as_root=(sudo)
  ((EUID == 0)) || [[ -t 0 ]] || as_root=(sudo -n)
  echo "Installing Debian packages: $missing" >&2
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  mkdir -p build
  # shellcheck disable=SC2086 # one word a package
  if ! { "${as_root[@]}" update && "${as_root[@]}" install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "These Debian packages are missing and could not be installed: $missing" >&2
    exit 1
  fi
}
