#!/bin/sh
# Runs the corpus of compose files against a pcompose; exits 77 (skipped) where there is none.
set -eu
corpus=$(dirname "$(readlink -f "$0")")/../../../shared/corpus
if [ ! -f "$corpus/run.py" ]; then echo "skipped: there is no corpus beside the project"; exit 77; fi
if ! command -v python3 > /dev/null; then echo "skipped: python3 is missing"; exit 77; fi
exec python3 "$corpus/run.py" --bin "$1"
