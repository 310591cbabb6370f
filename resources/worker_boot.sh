#!/usr/bin/env bash
# What a Beam worker pool runs for each worker where there are no containers: Beam's boot program
# in a virtual environment of its own, which sees the pool's packages and is removed with the
# worker. POSIX only.
#
#   BEAM_BOOT=$(go env GOPATH)/bin/container \
#     python -m apache_beam.runners.worker.worker_pool_main \
#     --service_port=50000 --container_executable=resources/worker_boot.sh
#
# BEAM_BOOT is made by `go install github.com/apache/beam/sdks/v2/python/container@v2.77.0`. The
# `python` on PATH must have apache-beam and pip; what a job needs besides, its submitter stages.
set -euo pipefail

: "${BEAM_BOOT:?must be the path of the boot program}"
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

# A virtual environment inherits nothing from another one: name the folders of the pool's.
python -m venv --without-pip "$home/venv"
pool=$(python -c 'import sys; print(*(p for p in sys.path if p.endswith("-packages")), sep="\n")')
echo "$pool" > "$(echo "$home"/venv/lib/python*/site-packages)/pool.pth"
export VIRTUAL_ENV="$home/venv" PATH="$home/venv/bin:$PATH"
export RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 # boot's own would not see the pool's packages
export PIP_NO_COMPILE=1                         # most of what is installed is never imported

cd "$home" # Python would also find modules in the pool's folder

# The pool does not read what its workers print: keep it, and print the end of it after a failure.
"$BEAM_BOOT" --semi_persist_dir="$home" "$@" > "$home/log" 2>&1 &
boot=$!
wait "$boot" || tail -n 20 "$home/log" >&2
