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

install_packages
make_environment
