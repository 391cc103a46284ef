#!/usr/bin/env bash
# Runs the stages of `make test`, or those named as arguments, and prints the time and the outcome of each.
#
# A stage that fails does not keep the later ones from running, unless they need what it builds. What is
# missing is installed (Debian's packages as root or by sudo; cargo-deny and typos into the target folder).
# Nothing is skipped: what cannot be had fails its stage and says how to get it.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never NO_COLOR=1 FORCE_COLOR=0
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
release="$CARGO_TARGET_DIR/release"
tools="$CARGO_TARGET_DIR/tools"
logs="$CARGO_TARGET_DIR/test-logs"
mkdir -p "$tools" "$logs"
faults=pantau-gateway/faults,pantau-ingest/faults

all=(tools fmt clippy deny typos web build faults unit fuzz system browser)
stages=("$@")
[ $# -gt 0 ] || stages=("${all[@]}")

# need PROGRAM-OR-FILE PACKAGE...: installs Debian packages if the program is not there.
need() {
    local what=$1
    shift
    if command -v "$what" >/dev/null 2>&1 || [ -e "$what" ]; then return 0; fi
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    if [ -z "${updated:-}" ]; then
        "${sudo[@]}" apt-get update -q || true
        updated=1
    fi
    echo "installing $* for $what"
    if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; then
        echo "$what is missing and could not be installed; as root: apt-get install $*" >&2
        return 1
    fi
}

# Debian starts mosquitto when it is installed; the tests start their own on free ports.
need_mosquitto() {
    need mosquitto_pub mosquitto-clients
    if ! command -v mosquitto >/dev/null 2>&1 && [ ! -x /usr/sbin/mosquitto ]; then
        need mosquitto mosquitto
        service mosquitto stop >/dev/null 2>&1 || true
    fi
}

# Real databases for the tests of the remote engines, which start their own as well.
need_databases() {
    if [ ! -x /usr/bin/victoria-metrics ]; then
        need /usr/bin/victoria-metrics victoria-metrics
        service victoria-metrics stop >/dev/null 2>&1 || true
    fi
    if [ ! -x /usr/bin/influxd ]; then
        need /usr/bin/influxd influxdb
        service influxdb stop >/dev/null 2>&1 || true
    fi
}

stage_tools() {
    need cc build-essential
    need node nodejs
    need npm npm
    need_mosquitto
    need_databases
    need /usr/bin/python3 python3
    need /usr/lib/python3/dist-packages/paho python3-paho-mqtt
    need /usr/bin/chromium chromium
    node --version
    cargo --version
}

stage_fmt() { cargo fmt --all --check; }

stage_clippy() {
    cargo clippy --release --locked --workspace --all-targets --features "$faults" -- -D warnings
    cargo clippy --release --locked --workspace --features "$faults" --test e2e -- -D warnings
}

stage_deny() {
    local deny="$tools/bin/cargo-deny" version=0.20.2
    if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
        # Unoptimised: it is built in half the time and still checks in seconds.
        CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$tools/build" \
            cargo install cargo-deny --version "$version" --locked --debug --root "$tools"
        rm -rf "$tools/build"
    fi
    "$deny" --all-features --locked check --hide-inclusion-graph \
        -A duplicate -A license-not-encountered bans licenses sources
}

stage_typos() {
    local version=1.52.0 typos="$tools/typos/bin/typos"
    if [ "$("$typos" --version 2>/dev/null)" != "typos-cli $version" ]; then
        python3 -m pip --version >/dev/null 2>&1 || need /usr/bin/pip3 python3-pip
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
            --no-deps --upgrade --target "$tools/typos" "typos==$version"
    fi
    "$typos"
}

stage_web() {
    (
        cd dashboards/web
        npm ci --no-audit --no-fund
        npm run check
        npm test
        npm run build
    )
    if [ -n "$(git status --porcelain dashboards/web/dist)" ]; then
        git --no-pager diff --stat dashboards/web/dist
        echo "dashboards/web/dist is not what its source builds: npm run build there, and commit it" >&2
        return 1
    fi
}

stage_build() { cargo build --release --locked --workspace --bins --tests; }

stage_faults() {
    cargo build --release --locked --workspace --features "$faults" \
        --bin pantau-gateway-faults --bin pantau-ingest-faults
}

stage_unit() {
    need_databases
    cargo test --release --locked --workspace --no-fail-fast
}

# Eleven targets, three side by side (on two cores four minutes in all), so long each: real payloads, changed again and again (gateway/src/fuzz).
stage_fuzz() {
    PANTAU_FUZZ_SECONDS=${PANTAU_FUZZ_SECONDS:-60} \
        cargo test --release --locked --workspace --lib -- fuzz:: --nocapture --test-threads 3
}

stage_system() { cargo test --release --locked --workspace --test e2e --no-fail-fast; }

stage_soak() {
    cargo test --release --locked -p pantau-ingest --test ingest -- --nocapture many
    cargo test --release --locked --workspace --test e2e --no-fail-fast -- --nocapture kills mutations network
}

stage_browser() {
    (
        cd tests/browser
        npm ci --no-audit --no-fund
        PANTAU_BIN="$release/pantau" npm test
    )
}

stage_bench() {
    need_mosquitto
    need /usr/bin/victoria-metrics victoria-metrics
    service victoria-metrics stop >/dev/null 2>&1 || true
    need /usr/bin/python3 python3
    need /usr/lib/python3/dist-packages/paho python3-paho-mqtt
    # The client that the compared script uses; pure Python, for Debian's interpreter.
    if [ ! -d "$tools/pipeline/influxdb_client" ]; then
        python3 -m pip --version >/dev/null 2>&1 || need /usr/bin/pip3 python3-pip
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
            --target "$tools/pipeline" influxdb-client==1.50.0
    fi
    cargo build --release --locked --workspace --bins
    # On the disk that the build is on: where /tmp is kept in memory, an fsync would cost nothing.
    bench_folder=$(mktemp -d "$CARGO_TARGET_DIR/bench.XXXXXX")
    trap 'rm -rf "$bench_folder"' EXIT
    TMPDIR="$bench_folder" BENCH_PYTHONPATH="$tools/pipeline" "$release/pantau-bench" | tee "$CARGO_TARGET_DIR/BENCHMARKS.md"
    echo "to publish it: cp $CARGO_TARGET_DIR/BENCHMARKS.md BENCHMARKS.md"
}

# Adds up what the runners say in a log: cargo test, vitest, node --test.
count() {
    awk '
        /^test result: / { passed += $4; failed += $6 }
        /^ *Tests  .*\([0-9]+\)/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
            }
        }
        /^(#|ℹ) pass [0-9]+$/ { passed += $3 }
        /^(#|ℹ) fail [0-9]+$/ { failed += $3 }
        END { print passed + 0, failed + 0 }
    ' "$1"
}

passed=0 failed=0 summary="" broken=""
for stage in "${stages[@]}"; do
    log="$logs/$stage.log"
    printf '\n=== %s\n' "$stage"
    started=$(date +%s)
    outcome=ok
    case "$stage:$broken" in
        unit:*build* | fuzz:*build* | system:*build* | system:*faults* | soak:*build* | soak:*faults* | browser:*build*)
            echo "cannot run: its build failed" | tee "$log"
            outcome=FAILED
            ;;
        *)
            # A subshell with errexit on: inside an `if` bash would ignore it.
            set +e
            (
                set -e
                "stage_$stage"
            ) </dev/null 2>&1 | tee "$log"
            status=${PIPESTATUS[0]}
            set -e
            [ "$status" -eq 0 ] || outcome=FAILED
            ;;
    esac
    seconds=$(($(date +%s) - started))
    read -r good bad < <(count "$log")
    if [ "$outcome" = FAILED ]; then
        broken="$broken $stage"
        [ "$bad" -gt 0 ] || bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    line=$(printf '%-10s %-8s %4d s %6d passed %4d failed' "$stage" "$outcome" "$seconds" "$good" "$bad")
    printf '=== %s\n' "$line"
    summary="$summary$line"$'\n'
done

printf '\n%s\n' "$summary"
# The last line is read by machines: a stage that failed without counting tests counts as one.
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
