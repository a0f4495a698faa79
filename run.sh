#!/usr/bin/env bash
# Makes or reuses an environment, then hands over to `python -m asr recipe`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'HELP'
Usage: ./run.sh [options]        prepare a corpus, train, evaluate, report
       ./run.sh --test [ARGS]    run the tests (ARGS go to pytest)

  --corpus NAME       mini (default: generated speech), mini-librispeech, librispeech, librispeech-slimipl, digits: those
                      of conf/; or a YAML file, whose `extends` is a path from its own folder
  --stage N           start at stage N; earlier ones are completed first where they are not done:
                      0 data, 1 manifests, 2 tokens, 3 train, 4 evaluate, 5 report
  --stop-stage N      end after stage N
  --batch-scale K     train with K times the base batch; everything else follows (default: 1)
  --nproc N           N processes on this machine, one per GPU (default: 1)
  --decoder NAME      stage 4 decodes greedily and, with beam, by prefix beam search; with lm, by the same with a
                      language model of the labeled text or decode.lm (needs the extra `lm`)
  --set KEY=VALUE     override a setting, such as schedule.total_hours=4; repeatable
  --data-dir DIR      where audio is looked for or put (default: data)
  --exp-dir DIR       where results go (default: exp)
  --stop-hours H      leave training at this hour of audio, with a checkpoint (with --stop-stage 3)
  --dry-run           say what would run
  --help              this text

An active environment that has kappa-asr is used. Otherwise one is made in ~/.cache/kappa-asr, once.
Exit codes: 0 done; 2 something to put right; 75 stopped by a signal, run the same command again.
HELP
}

die() {
  echo "run.sh: error: $*" >&2
  exit 2
}

# Prints the interpreter of an environment that has what this checkout needs; $1: the extras to install.
environment() {
  local active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
  # -I: traces of an installation in the current folder do not count.
  if [[ -n $active ]] &&
    "$active/bin/python" -I -c 'import importlib.metadata as m; m.version("kappa-asr"), m.version("torch")' 2>/dev/null
  then
    echo "$active/bin/python"
    return
  fi
  local base=${PYTHON:-python3}
  command -v "$base" >/dev/null || die "no $base found; install Python 3.11 or later, or set PYTHON"
  "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$base is $("$base" -V 2>&1); Python 3.11 or later is needed: set PYTHON"
  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/kappa-asr
  local key home
  key=$(sha256sum "$here/pyproject.toml" | cut -c1-12)
  home=$cache/env-$key
  mkdir -p "$cache"
  if [[ ! -f $home/complete ]]; then
    make_environment "$cache" "$home" "$base"
  fi
  echo "$home/bin/python"
}

# Makes $2 in $1 with the interpreter $3, unless another process has done so by then.
make_environment() {
  local cache=$1 home=$2 base=$3 old
  # One process makes it, others wait. Without flock, or on a file system that has no locks, nobody waits.
  exec 9>"$cache/lock"
  local locked=
  if command -v flock >/dev/null; then
    if flock 9; then
      locked=yes
    else
      echo "run.sh: $cache cannot be locked; start no second run.sh before this one has made its environment" >&2
    fi
  fi
  if [[ -f $home/complete ]]; then
    exec 9>&-
    return
  fi
  if [[ -e $home ]]; then
    # Whoever makes one holds the lock, so this one was left half made.
    [[ -n $locked ]] || die "$home is half made: delete it, unless another run.sh is making it just now"
    rm -rf "$home"
  fi
  # They may be in use, by a training that takes weeks.
  for old in "$cache"/env-*; do
    [[ ! -d $old ]] || echo "run.sh: $old is of another version; delete it once nothing runs in it" >&2
  done
  echo "run.sh: making an environment in $home; this takes a few minutes" >&2
  "$base" -m venv "$home" >&2 || die "$base cannot make an environment, see above (on Debian: apt install python3-venv)"
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check -e "${here}[mini,dev]" >&2 ||
    die "installing failed, see above; run the same command again once that is put right"
  touch "$home/complete"
  exec 9>&-
}

for argument in "$@"; do
  # After --test they are pytest's.
  if [[ $argument == --test ]]; then break; fi
  if [[ $argument == --help || $argument == -h ]]; then
    usage
    exit 0
  fi
done

python=$(environment)
# The environment may have been installed from another checkout: this one's code comes first.
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}

if [[ ${1:-} == --test ]]; then
  cd "$here"
  exec "$python" -m pytest "${@:2}"
fi
exec "$python" -m asr recipe "$@"
