#!/bin/sh
# Installs the servers that the tests and `podctl local up --servers` start privately: MariaDB, Redis,
# ZooKeeper. One apt call, and only for what is missing. No system service is started or left enabled.
set -eu

say() { echo "install-servers: $*" >&2; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || missing="$missing mariadb-server"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v java >/dev/null && [ -e /usr/share/java/zookeeper.jar ] || missing="$missing zookeeper"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    say "missing:$missing - this machine has no apt-get; install them with its own package manager"
    exit 1
fi

if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        say "missing:$missing - installing with sudo"
        exec sudo "$0"
    fi
    say "missing:$missing - run as root: apt-get install --no-install-recommends$missing"
    exit 1
fi

# Debian starts a service as soon as it is installed, unless this policy forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

say "installing:$missing"
apt-get -qq -o DPkg::Lock::Timeout=300 update || say "apt-get update failed; going on with the known lists"
# --no-remove: on a machine with MySQL, MariaDB would push it out; then a person has to decide.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
    --no-install-recommends --no-remove $missing </dev/null >&2

# Nor shall it start at the next boot.
if command -v systemctl >/dev/null; then
    for package in $missing; do
        case $package in
            mariadb-server) systemctl disable mariadb.service >/dev/null 2>&1 || true ;;
            redis-server) systemctl disable redis-server.service >/dev/null 2>&1 || true ;;
        esac
    done
fi
