#!/usr/bin/env bash
# Rounds of offline pseudo-labels: train, label with beam search and a language model of the labeled text, train anew.
# Usage: noisy-student.sh ROUNDS [run.sh options]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
rounds=${1:?usage: noisy-student.sh ROUNDS [run.sh options]}
shift

# The run's folder is what stage 3 says first.
train() {
  "$root/run.sh" --corpus "$here/noisy-student.yaml" --stage 3 --stop-stage 3 "$@" 2>&1 | tee /dev/stderr |
    sed -n 's/^run folder: //p' | tail -n 1
}

run=$(train "$@" --set pseudo.labels=none)
for round in $(seq "$rounds"); do
  manifests=$(dirname "$(dirname "$run")")/manifests
  unlabeled=$(find "$manifests" -name unlabeled.jsonl | head -n 1)
  lm=$run/labeled.arpa
  kappa-asr lm "${unlabeled%unlabeled.jsonl}labeled.jsonl" --tokens "$run/tokens" --out "$lm"
  kappa-asr label "$run" "$unlabeled" --out "$run/labels" --decoder lm --lm "$lm" --lm-weight 0.8 --word-score 0
  run=$(train "$@" --set pseudo.labels="$run/labels")
  echo "round $round: $run"
done
