#!/usr/bin/env bash
# Rounds of offline pseudo-labels: train, label with a lexicon and a language model of the labeled text, train anew.
# Usage: [LM_WEIGHT=0.8] noisy-student.sh ROUNDS [run.sh options; --corpus NAME for another corpus than the embedded one]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
rounds=${1:?usage: noisy-student.sh ROUNDS [run.sh options]}
shift
options=(--corpus "$here/noisy-student.yaml" "$@")

# What it says names the folders of manifests and run.
train() {
  "$root/run.sh" "${options[@]}" --stage 3 --stop-stage 3 "$@" 2>&1 | tee /dev/stderr
}
manifests_in() { sed -n 's/^stage 1 manifests: done already, //p' <<<"$1" | tail -n 1; }
run_in() { sed -n 's/^run folder: //p; s/^stage 3 train: done already, //p' <<<"$1" | tail -n 1; }

# So that the manifests are there already when training names them.
"$root/run.sh" "${options[@]}" --stop-stage 2
said=$(train --set pseudo.labels=none)
manifests=$(manifests_in "$said")
run=$(run_in "$said")
lm=$run/labeled.arpa
kappa-asr lm "$manifests/labeled.jsonl" --tokens "$run/tokens" --out "$lm"
for round in $(seq "$rounds"); do
  kappa-asr label "$run" "$manifests/unlabeled.jsonl" --out "$run/labels" --decoder lm --lm "$lm" \
    --lm-weight "${LM_WEIGHT:-0.8}" --word-score 0
  said=$(train --set pseudo.labels="$run/labels")
  run=$(run_in "$said")
  echo "round $round: $run"
done
