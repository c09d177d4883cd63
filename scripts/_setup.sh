# Which environment do the scripts run in? `set_up EXTRAS` makes `.venv` hold this package with these extras.
#
# Sourced by the other scripts, in plain POSIX sh. A stamp in `.venv` tells that an installation is still the right one:
# then nothing is installed and no network is needed. PYTHON names the Python to use, OMS_TORCH the torch to install.

root=$(cd "$(dirname "$0")/.." && pwd -P)
venv=$root/.venv
script=scripts/$(basename "$0")
trap '[ $? = 0 ] || echo "$script: FAILED" >&2' EXIT

fail() {
    echo "$script: $1" >&2
    exit 1
}

# usage_when_asked TEXT FIRST_ARGUMENT: prints the text and ends, for -h and --help; before anything is installed
usage_when_asked() {
    case ${2:-} in
        -h | --help)
            echo "$1"
            exit 0
            ;;
    esac
}

is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.13 python3.12 python3.11 python; fi
    for candidate; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed, and $* is not; name one with PYTHON=..."
}

make_venv() {
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(find_python)
        echo "$script: making .venv with Python $(version_of "$python")"
        "$python" -m venv --clear "$venv"
    fi
    is_recent "$venv/bin/python" || fail ".venv has Python $(version_of "$venv/bin/python"); remove it for 3.11 or newer"
}

# What an installation depends on: the metadata of this package, the Python, and where both are.
fingerprint() {
    "$venv/bin/python" - "$root" 2>/dev/null <<'PROGRAM'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
facts = [sys.version, str(root), (root / "pyproject.toml").read_text()]
print(hashlib.sha256("\0".join(facts).encode()).hexdigest())
PROGRAM
}

is_installed() {
    wanted=$(fingerprint) || return 1
    holders=$1
    if [ "$1" = semantic ]; then holders="semantic semantic,dev semantic,bench"; fi
    for holder in $holders; do
        if [ "$(cat "$venv/.oms-$holder" 2>/dev/null)" = "$wanted" ]; then return 0; fi
    done
    return 1
}

install() {
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@"
}

# set_up semantic, set_up semantic,dev, or set_up semantic,bench
set_up() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON does not exist; name a Python 3.11 or newer"
    fi
    if [ -n "${PYTHON:-}" ] && [ -x "$venv/bin/python" ]; then
        [ "$(version_of "$PYTHON")" = "$(version_of "$venv/bin/python")" ] ||
            fail "PYTHON=$PYTHON is not the Python $(version_of "$venv/bin/python") of .venv; remove .venv to change it"
    fi
    if is_installed "$1"; then return; fi
    make_venv
    echo "$script: installing what is missing; the first time this takes some minutes, most of them for torch"
    if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
        # shellcheck disable=SC2086 # OMS_TORCH is a requirement and may have options of pip after it
        (set -f && install ${OMS_TORCH:-torch==2.13.0})
    fi
    (cd "$root" && install --editable ".[$1]")
    fingerprint >"$venv/.oms-$1"
}
