#!/usr/bin/env bash
# Make an InfluxDB 2.x server (`influxd`) available to tests and to `make demo ARGS="--store influxdb"`.
#
# Does nothing if one is on PATH or in the user's cache folder; otherwise builds the released
# version from its Go module (about six minutes on two cores, 2 GB under $TMPDIR). A city installs the vendor's
# package or image instead. The last line printed is the path of the server.
#
# Exit codes: 0 there is one, 3 tools to build it are missing, other the build failed.
set -euo pipefail

version=2.9.1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ronde"

# Whether a server of the 2.x line answers at the given path; store/influx_server.py asks the same.
is_influxd_2() {
    local said
    said=$("$1" version 2>/dev/null) && grep -Eq '^InfluxDB v?(2\.|dev)' <<<"$said"
}

# Say what is missing, and end.
cannot_build() {
    echo "influxd: not installed, and cannot be built here without: $*." >&2
    echo "Install InfluxDB 2.x from the vendor's package, or these tools, and run 'make influxd' again." >&2
    exit 3
}

if found=$(command -v influxd) && is_influxd_2 "$found"; then
    echo "$found"
    exit 0
fi
for built in "$cache/influxdb-$version"/influxd "$cache"/influxdb-2*/influxd; do
    if [ -x "$built" ] && is_influxd_2 "$built"; then
        echo "$built"
        exit 0
    fi
done

missing=()
for tool in go cargo rustc gcc pkg-config; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -eq 0 ] || cannot_build "${missing[*]}"
# `go get -tool` came with Go 1.24.
go_version=$(go env GOVERSION)
if [[ $go_version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -lt 24 ]; then
    cannot_build "Go 1.24 or newer (here is $go_version)"
fi
# A library of the server pins a Rust toolchain that may be missing: name one that is here.
if command -v rustup >/dev/null; then
    active=$(rustup show active-toolchain 2>/dev/null) || cannot_build "a Rust toolchain (rustup has none active)"
    export RUSTUP_TOOLCHAIN="${active%% *}"
fi

work=$(mktemp -d)
unfinished="$cache/influxdb-$version/influxd.$$"
trap 'rm -rf "$work" "$unfinished"' EXIT

cd "$work"
export GOWORK=off
# Go remembers where the Rust library was and not whether it still is there: in a cache that an earlier build left,
# whole or not, the link can fail. So each build has its own, and leaves nothing.
export GOCACHE="$work/cache"
echo "influxd: building $version in a throw-away Go module; this takes about six minutes" >&2
go mod init ronde.invalid/influxd >&2
go get -tool "github.com/influxdata/influxdb/v2/cmd/influxd@v$version" >&2
go get -tool github.com/influxdata/pkg-config@v0.3.0 >&2
# This pkg-config builds the server's Rust library and hands every other question to the real one on PATH.
go build -o "$work/pkg-config" github.com/influxdata/pkg-config >&2

PKG_CONFIG="$work/pkg-config" CGO_ENABLED=1 RUSTFLAGS="--cap-lints warn" \
    go build -tags sqlite_foreign_keys,sqlite_json \
    -ldflags "-s -w -X main.version=v$version" \
    -o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd >&2
if ! is_influxd_2 "$work/influxd"; then
    echo "influxd: what was built does not run as InfluxDB 2.x: $("$work/influxd" version 2>&1 | head -n 1)" >&2
    exit 1
fi

# Under its own name only when it is whole: /tmp may be another disk, and another build may run.
mkdir -p "$cache/influxdb-$version"
cp "$work/influxd" "$unfinished"
mv "$unfinished" "$cache/influxdb-$version/influxd"
echo "$cache/influxdb-$version/influxd"
