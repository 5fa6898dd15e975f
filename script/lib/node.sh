# shellcheck shell=bash
# What script/node and script/page have in common: node 18 or later with npm, and a folder's packages.

unavailable=69 # exit code: what it needs cannot be had here

have_node() {
  command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null
}

# install_npm_packages LOG: those of the package.json here, unless they are there already. Without their install scripts:
# binaries come with the packages.
install_npm_packages() {
  local stamp
  stamp=$({ pwd; node --version; cat package.json package-lock.json .npmrc; } | sha256sum)
  [[ $(cat node_modules/.samovar 2>/dev/null) != "$stamp" ]] || return 0
  if ! npm ci --ignore-scripts --no-audit --no-fund >"$1" 2>&1; then
    tail -n 5 "$1" >&2
    echo "The packages of ${PWD##*/}/package.json could not be installed." >&2
    exit "$unavailable"
  fi
  echo "$stamp" >node_modules/.samovar
}
