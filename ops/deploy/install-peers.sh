#!/bin/sh
# Installs the systems that `make bench` measures beside podwork: Python ones into venvs of their own and BullMQ
# under build/peers, Sidekiq and percona-toolkit from Debian. What is there in the pinned version is left alone. A
# peer that cannot be had is named and left out: the benchmarks report it as missing, and go on.
# Usage: ops/deploy/install-peers.sh [PEER ...]
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
peers=$root/build/peers
python=$root/.venv/bin/python
cd "$root" || exit 1

say() { echo "install-peers: $*" >&2; }

# The stamp holds the pins that were installed, and the interpreter.
is_current() {
    [ -e "$1/.installed" ] && [ "$(cat "$1/.installed")" = "$(stamp "$2")" ]
}

stamp() {
    "$python" --version
    cat "$1"
}

install_python() {
    venv=$peers/$1
    file=ops/deploy/peers/constraints-$1.txt
    is_current "$venv" "$file" && return 0
    say "installing $1"
    rm -rf "$venv"
    "$python" -m venv --without-pip "$venv" &&
        "$python" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check --no-deps -r "$file" &&
        stamp "$file" >"$venv/.installed"
}

install_bullmq() {
    home=$peers/bullmq
    file=ops/deploy/peers/package.json
    is_current "$home" "$file" && return 0
    command -v npm >/dev/null || { say "bullmq needs npm"; return 1; }
    say "installing bullmq"
    rm -rf "$home"
    mkdir -p "$home" && cp "$file" "$home" &&
        (cd "$home" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts) >/dev/null &&
        stamp "$file" >"$home/.installed"
}

install_sidekiq() {
    command -v ruby >/dev/null && ruby -e 'require "sidekiq"' 2>/dev/null && return 0
    install_debian ruby-sidekiq
}

install_percona_toolkit() {
    command -v pt-online-schema-change >/dev/null && return 0
    install_debian percona-toolkit
}

install_debian() {
    command -v apt-get >/dev/null || { say "Debian's $1 is needed"; return 1; }
    as_root=
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || { say "run as root: apt-get install --no-install-recommends $1"; return 1; }
        as_root="sudo -n"
    fi
    say "installing $1"
    $as_root apt-get -qq -o DPkg::Lock::Timeout=300 update || say "apt-get update failed; going on with the known lists"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends "$1" </dev/null >&2
}

for peer in ${*:-celery rq dramatiq huey arq taskiq saq streaq sidekiq bullmq percona-toolkit}; do
    case $peer in
        sidekiq) install_sidekiq ;;
        percona-toolkit) install_percona_toolkit ;;
        bullmq) install_bullmq ;;
        *) install_python "$peer" ;;
    esac || say "$peer could not be installed; it will be reported as missing"
done
exit 0
