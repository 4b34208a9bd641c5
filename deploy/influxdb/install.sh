#!/usr/bin/env bash
# Make an InfluxDB 2.x server (`influxd`) available to tests and to `make demo ARGS="--store influxdb"`.
#
# Does nothing if one is on PATH or in the user's cache folder; otherwise builds the released
# version from its Go module (about six minutes on two cores). A city installs the vendor's
# package or image instead. The last line printed is the path of the server.
set -euo pipefail

version=2.9.1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ronde/influxdb-$version"

# Whether a server of the 2.x line answers at the given path.
is_influxd_2() { "$1" version 2>/dev/null | grep -Eq '^InfluxDB v?(2\.|dev)'; }

if found=$(command -v influxd) && is_influxd_2 "$found"; then
    echo "$found"
    exit 0
fi
if [ -x "$cache/influxd" ]; then
    echo "$cache/influxd"
    exit 0
fi

missing=()
for tool in go cargo rustc gcc pkg-config; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "influxd: not installed, and cannot be built here without: ${missing[*]}." >&2
    echo "Install InfluxDB 2.x from the vendor's package, or these tools, and run 'make influxd' again." >&2
    exit 3
fi

mkdir -p "$cache"
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT

# A library of the server pins a Rust toolchain that may be missing: name one that is here.
if command -v rustup >/dev/null; then
    RUSTUP_TOOLCHAIN=$(rustup show active-toolchain | cut -d' ' -f1)
    export RUSTUP_TOOLCHAIN
fi

cd "$work"
echo "influxd: building $version in a throw-away Go module; this takes about six minutes" >&2
go mod init ronde.invalid/influxd >&2
go get -tool "github.com/influxdata/influxdb/v2/cmd/influxd@v$version" >&2
go get -tool github.com/influxdata/pkg-config@v0.3.0 >&2
# This pkg-config builds the server's Rust library and hands every other question to the real one on PATH.
go build -o "$work/pkg-config" github.com/influxdata/pkg-config >&2

# An interrupted build leaves this cache of the Rust library half written.
rm -rf "$(go env GOCACHE)/pkgconfig"

PKG_CONFIG="$work/pkg-config" CGO_ENABLED=1 RUSTFLAGS="--cap-lints warn" \
    go build -tags sqlite_foreign_keys,sqlite_json \
    -ldflags "-s -w -X main.version=v$version" \
    -o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd >&2
mv "$work/influxd" "$cache/influxd"
echo "$cache/influxd"
