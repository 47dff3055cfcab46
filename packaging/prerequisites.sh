# shellcheck shell=sh
# What a checkout needs from the machine: packages and a virtual environment. To be sourced, with
# the checkout as the working directory and a file for the output of apt-get and pip in LOG.

say() {
    printf '%s: %s\n' "${0##*/}" "$*"
}

fail() {
    say "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" -eq 0 ] || fail "needs root (packages, FUSE, cgroups): sudo $0"
}

# prepare run|test: have everything that lxcfs-py, or its tests, need.
prepare() {
    # pyfuse3 comes as source: a compiler, pkg-config, and the headers of Python and libfuse.
    set -- "$1" python3 python3-venv python3-dev libfuse3-dev fuse3 gcc libc6-dev pkg-config procps
    case $1 in
    run)
        shift
        install_packages "$@"
        make_venv .
        ;;
    test)
        shift
        # The peers to compare with, container tools, what looks at processes, what makes packages,
        # and machines.
        set -- "$@" lxc uidmap lxcfs mmdebstrap busybox-static strace shellcheck psmisc \
            util-linux patch dpkg-dev debhelper lintian groff-base qemu-system-x86 cpio e2fsprogs \
            systemd-container
        # Debian's engines would push aside those from elsewhere.
        for engine in podman crun runc containerd dockerd:docker.io docker-compose; do
            command -v "${engine%:*}" >/dev/null || set -- "$@" "${engine#*:}"
        done
        install_packages "$@"
        make_venv '.[test]'
        ;;
    esac
}

# install_packages NAME...: those that are not there yet. Services do not start.
install_packages() {
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        fail "this is not Debian or Ubuntu; install what these packages hold there:$missing"
    say "installing$missing"
    (
        if [ ! -e /usr/sbin/policy-rc.d ]; then
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            trap 'exit 1' HUP INT TERM
            printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
            chmod 755 /usr/sbin/policy-rc.d
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q update </dev/null
        # One word each.
        # shellcheck disable=SC2086
        apt-get -q install -y --no-install-recommends $missing </dev/null
    ) >"$LOG" 2>&1 || {
        tail -n 20 "$LOG" >&2
        fail "apt-get could not install$missing: see $LOG, then run this again"
    }
}

# The system's Python, whose headers the packages bring; the one on PATH may be another.
find_python() {
    for python in /usr/bin/python3 python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    fail "needs Python 3.11 or newer: Debian 12, Ubuntu 24.04, or newer"
}

# make_venv REQUIREMENT: .venv with this checkout in it, unless it has been made for this
# pyproject.toml and directory. What was made for the tests serves for a run as well.
make_venv() {
    wanted="$(cksum <pyproject.toml) $PWD "
    grep -qF "$wanted$1" .venv/.installed 2>/dev/null && return
    python=$(find_python) || exit 1
    say "making .venv with $python (pyfuse3 is compiled, which takes a minute)"
    clear=
    if [ -e .venv/.installed ] && ! grep -qF " $PWD " .venv/.installed; then
        clear=--clear # the scripts in it name another directory
    fi
    {
        "$python" -m venv $clear .venv &&
            .venv/bin/python -m pip install --disable-pip-version-check -e "$1"
    } >"$LOG" 2>&1 </dev/null || {
        tail -n 20 "$LOG" >&2
        fail "pip could not install $1: see $LOG; is the package index within reach?"
    }
    echo "$wanted$1" >.venv/.installed
}
