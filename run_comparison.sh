#!/bin/sh
# Measures this project's own orchestrator, then compares all of them. Both get the arguments:
#   ./run_comparison.sh --iterations 3 --test-case large
# Uses .venv. Where there is none it is made, unless the active Python has all that is needed.
# An orchestrator whose package is missing is shown as such. To have all of them:
#   .venv/bin/pip install '.[peers]'
set -eu
cd "$(dirname "$0")"

python=.venv/bin/python
needed='import apache_beam, english_words, jinja2, numba, psutil, pygal, rich, tenacity'
if [ ! -x "$python" ] && python3 -c "$needed" 2>/dev/null; then
    python=python3
elif [ ! -x "$python" ] || ! "$python" -c "$needed" 2>/dev/null; then
    echo "Installing the project into .venv" >&2
    python3 -m venv .venv
    "$python" -m pip install -q .
fi

# As a module, so that what is measured is the code in this folder.
"$python" -m beam_pipeline.benchmark one "$@"
"$python" -m beam_pipeline.benchmark compare "$@"
