# Sourced by tools/demo, tools/check and tools/bench: makes the machine ready. Everything it installs is named here.
#
# Debian packages come by apt (only when a command is missing), Python packages into .venv from the pinned list, and
# nothing else of the machine is touched. A stamp in .venv says what it was made from, so a second run costs nothing.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python="$root/.venv/bin/python"
export PATH="$root/.venv/bin:$PATH:/usr/sbin:/sbin"

# command:package
needed=(ip:iproute2 ping:iputils-ping tc:iproute2 setpriv:util-linux sysctl:procps ethtool:ethtool)

# Programs that only tests run, unpacked into .venv/debian with the libraries that the machine has not. Installed, they would
# meddle with it: Kea's packages start services and add a user, AppArmor's profiles for Kea and dhclient refuse the files
# of a test's folder, and ifupdown takes the DHCP client that it finds.
unpacked=(dnsmasq-base busybox isc-dhcp-client kea-dhcp4-server kea-dhcp6-server kea-common dhcpcd-base
    systemd libsystemd-shared
    zsh zsh-common fish fish-common mandoc)  # shells and a checker of manual pages, for what hostlink makes for them

say() { printf '%s\n' "$*" >&2; }

install_packages() {
    local missing=() pair
    for pair in "${needed[@]}"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
    done
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] || { say "setup: ${missing[*]} missing; run this as root, or install them"; exit 1; }
    say "setup: installing ${missing[*]} by apt"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

make_environment() {
    local stamp="$root/.venv/made-from" wanted
    wanted=$(cat "$root/tools/requirements.txt" "$root/pyproject.toml" | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    say "setup: making the Python environment in .venv"
    # A half-made one is made again: the stamp comes last, and one without pip is no use.
    "$python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$root/.venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$root/tools/requirements.txt"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --editable "$root"
    printf '%s' "$wanted" >"$stamp"
}

unpack_programs() {
    local debian="$root/.venv/debian" wanted="${unpacked[*]}" archives package
    [ "$(cat "$debian/made-from" 2>/dev/null)" = "$wanted" ] && return
    [ "$(id -u)" -eq 0 ] || { say "setup: not root, so without ${unpacked[*]}: tests that need them will fail"; return; }
    say "setup: unpacking ${unpacked[*]} into .venv/debian"
    rm -rf "$debian"
    archives="$debian/archives"
    mkdir -p "$archives/partial"
    apt-get update -qq >&2
    # --reinstall: also what the machine has installed. Their dependencies come only where they are missing.
    apt-get install -qq -y --download-only --reinstall --no-install-recommends -o APT::Sandbox::User=root \
        -o Dir::Cache::archives="$archives" "${unpacked[@]}" >/dev/null
    for package in "$archives"/*.deb; do
        dpkg-deb --extract "$package" "$debian"
    done
    rm -r "$archives"
    printf '%s' "$wanted" >"$debian/made-from"
}

install_packages
make_environment
unpack_programs  # last: a new environment is made in an empty .venv
