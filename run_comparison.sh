#!/bin/sh
# Measures this project's own orchestrator, then compares all of them. Arguments go to both:
#   ./run_comparison.sh --iterations 3 --test-case large
# Uses .venv, and makes it if there is none; else the Python of the active environment, if the
# project is installed there. Orchestrators whose package is missing are shown as such; for all
# of them: .venv/bin/pip install '.[peers]'
set -eu
cd "$(dirname "$0")"

if [ -x .venv/bin/python ]; then
    python=.venv/bin/python
elif python3 -c 'import apache_beam, english_words, rich, tenacity' 2>/dev/null; then
    python=python3
else
    echo "No .venv here: making one and installing the project into it." >&2
    python3 -m venv .venv
    .venv/bin/pip install -q .
    python=.venv/bin/python
fi

# A module of the checkout, so that what is measured is what stands here.
"$python" -m beam_pipeline.benchmark one "$@"
"$python" -m beam_pipeline.benchmark compare --compare-dir benchmark_orchestrators "$@"
