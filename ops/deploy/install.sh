#!/bin/sh
# Makes .venv and installs podwork into it with pinned dependencies; needs neither apt nor root unless
# the system's Python comes without venv and pip (then it says which command mends that).
# Usage: ops/deploy/install.sh demo|dev      PYTHON=... chooses the interpreter.
set -eu

what=${1:?usage: install.sh demo|dev}
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.venv
pins=$root/ops/deploy

say() { echo "install: $*" >&2; }
fail() { say "$*"; exit 1; }

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer"
        command -v "$PYTHON"
        return
    fi
    for name in python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null && is_new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    fail "no Python 3.11 or newer found - install one (apt-get install python3.11 python3.11-venv), or set PYTHON=/path/to/python"
}

# A venv whose interpreter is gone, too old, or not the one asked for is made anew.
is_usable() {
    is_new_enough "$venv/bin/python" || return 1
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv/bin/python")" ]
}

# Debian splits pip out of Python. Without python3-venv there are three ways left, tried in turn:
# a system-wide pip, the pip wheel unpacked from its package (no root needed), the package by root.
make_venv() {
    rm -rf "$venv"
    if "$1" -c 'import ensurepip' 2>/dev/null; then
        "$1" -m venv "$venv"
        return
    fi
    "$1" -m venv --without-pip "$venv" || fail "$1 cannot make a venv - apt-get install python3-venv"
    pip_from_system "$1" || pip_from_package || venv_by_root "$1" ||
        fail "Python has neither venv nor pip - run: sudo apt-get install python$(version_of "$1")-venv"
}

pip_from_system() {
    "$1" -m pip --version >/dev/null 2>&1 &&
        "$1" -m pip --python "$venv/bin/python" install --quiet pip >/dev/null 2>&1
}

pip_from_package() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    unpacked=$(mktemp -d)
    (cd "$unpacked" && apt-get download python3-pip-whl && dpkg -x ./*.deb .) >/dev/null 2>&1
    wheel=$(find "$unpacked" -name 'pip-*.whl' | head -n 1)
    result=1
    if [ -n "$wheel" ] &&
        PYTHONPATH=$wheel "$venv/bin/python" -m pip install --quiet --no-index "$wheel" >/dev/null 2>&1; then
        result=0
    fi
    rm -rf "$unpacked"
    return $result
}

venv_by_root() {
    command -v apt-get >/dev/null || return 1
    as_root=
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root="sudo -n"
    fi
    say "installing python$(version_of "$1")-venv"
    $as_root apt-get -qq update >&2 || true
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends "python$(version_of "$1")-venv" >&2 || return 1
    rm -rf "$venv"
    "$1" -m venv "$venv"
}

install_pinned() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$@"
}

case $what in
    demo) sets="build run demo" ;;
    dev) sets="build run demo dev" ;;
    *) fail "unknown set $what: demo or dev" ;;
esac

if ! is_usable; then
    python=$(find_python)
    say "making .venv with $python ($(version_of "$python"))"
    make_venv "$python"
fi

say "installing pinned dependencies ($sets)"
arguments=
for set in $sets; do
    arguments="$arguments -r ops/deploy/constraints-$set.txt"
done
cd "$root" # so that the arguments hold no blanks, wherever the clone lies
# shellcheck disable=SC2086
install_pinned $arguments
install_pinned --no-build-isolation --editable .
touch "$venv/.installed-demo"
[ "$what" = demo ] || touch "$venv/.installed-dev"
