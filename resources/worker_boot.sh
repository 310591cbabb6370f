#!/usr/bin/env bash
# What a Beam worker pool runs for each worker where there are no containers: Beam's boot program
# in a Python environment of its own, which sees the pool's packages and is gone with the worker.
#
#   BEAM_BOOT=$(go env GOPATH)/bin/container \
#     python -m apache_beam.runners.worker.worker_pool_main \
#     --service_port=50000 --container_executable=resources/worker_boot.sh
#
# BEAM_BOOT is `go install github.com/apache/beam/sdks/v2/python/container@v2.77.0`. The `python` of
# PATH must have apache-beam and pip; what a job needs beyond that, its submitter stages.
set -euo pipefail

: "${BEAM_BOOT:?the path of the boot program}"
home=$(mktemp -d "${TMPDIR:-/tmp}/beam-worker-XXXXXX")
boot=
end() {
  trap - EXIT TERM INT
  if [ -n "$boot" ]; then
    kill -TERM "$boot" 2>/dev/null || true
    wait "$boot" || true
  fi
  rm -rf "$home"
  exit
}
trap end EXIT TERM INT

# A virtual environment inherits nothing from another one: name the pool's folders.
python -m venv --without-pip "$home/venv"
pool=$(python -c 'import sys; print(*(p for p in sys.path if p.endswith("-packages")), sep="\n")')
echo "$pool" > "$(echo "$home"/venv/lib/python*/site-packages)/pool.pth"
export VIRTUAL_ENV="$home/venv" PATH="$home/venv/bin:$PATH"
export RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 # boot's own would not see the pool's packages
export PIP_NO_COMPILE=1                         # most of what is installed is never imported

cd "$home" # or Python would find modules in the pool's folder too

# The pool reads nothing of what its workers print: keep it, and show the end of a failure.
"$BEAM_BOOT" --semi_persist_dir="$home" "$@" > "$home/log" 2>&1 &
boot=$!
wait "$boot" || tail -n 20 "$home/log" >&2
