#!/bin/sh
# Measures this project's own orchestrator, then compares all of them. Arguments go to both:
#   ./run_comparison.sh --iterations 3 --test-case large
# Uses .venv, and makes it if there is none, unless the active Python has all that is needed.
# Orchestrators whose package is missing are shown as such; to have all of them:
#   .venv/bin/pip install '.[peers]'
set -eu
cd "$(dirname "$0")"

python=.venv/bin/python
needed='import apache_beam, english_words, numba, psutil, rich, tenacity'
if [ ! -x "$python" ] && python3 -c "$needed" 2>/dev/null; then
    python=python3
elif [ ! -x "$python" ] || ! "$python" -c "$needed" 2>/dev/null; then
    echo "Installing the project into .venv" >&2
    python3 -m venv .venv
    "$python" -m pip install -q .
fi

# As a module, so that what is measured is what stands here.
"$python" -m beam_pipeline.benchmark one "$@"
"$python" -m beam_pipeline.benchmark compare "$@"
