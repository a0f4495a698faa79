#!/usr/bin/env bash
# Rounds of offline pseudo-labels: train, label with a lexicon and a language model of the labeled text, train anew.
# Usage: [LM_WEIGHT=0.8] noisy-student.sh ROUNDS [run.sh options; --corpus NAME for another corpus than the embedded one]
# Labels are trained on where two searches agree: --set pseudo.min_agreement=null takes all of them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
die() {
  echo "noisy-student.sh: error: $*" >&2
  exit 2
}
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || die "usage: noisy-student.sh ROUNDS [run.sh options]"
rounds=$1
shift
command -v kappa-asr >/dev/null || die "no kappa-asr found; activate the environment that has it"
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
options=(--corpus "$here/noisy-student.yaml" --set pseudo.min_agreement=0.9 "$@")

# What it says names the folders of manifests and run; it is shown as well, in the order in which it comes.
exec 3>&2
train() {
  "$root/run.sh" "${options[@]}" --stage 3 --stop-stage 3 "$@" 2>&1 | tee >(cat >&3)
}
# A run to start from, which the recipe trains first, says its own after it.
manifests_in() { sed -n 's/^stage 1 manifests: done already, //p' <<<"$1" | head -n 1; }
run_in() { sed -n 's/^run folder: //p; s/^stage 3 train: done already, //p' <<<"$1" | tail -n 1; }

# So that the manifests are there already when training names them.
"$root/run.sh" "${options[@]}" --stop-stage 2
said=$(train --set pseudo.labels=none)
manifests=$(manifests_in "$said")
run=$(run_in "$said")
[[ -n $manifests && -n $run ]] || die "training has named no folders; --dry-run and --help are of no use here"
lm=$run/labeled.arpa
kappa-asr lm "$manifests/labeled.jsonl" --tokens "$run/tokens" --out "$lm"
for round in $(seq "$rounds"); do
  kappa-asr label "$run" "$manifests/unlabeled.jsonl" --out "$run/labels" --decoder lm --lm "$lm" \
    --lm-weight "${LM_WEIGHT:-0.8}" --word-score 0
  said=$(train --set pseudo.labels="$run/labels")
  run=$(run_in "$said")
  echo "round $round: $run"
done
