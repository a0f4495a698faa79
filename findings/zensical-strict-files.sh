#!/usr/bin/env bash
# A strict build of a site need not be strict. Seen 2026-11-30, Python 3.11, Linux x86-64, of pages that link what is not
# there. zensical 0.0.73 --strict ends with 1 for a missing page or anchor; for a missing picture, or a file that is no page,
# it says "No issues found" and ends with 0. mkdocs 1.6.1, whose sites it takes over, ends with 1 for these ("Doc file
# 'index.md' contains a link 'missing.svg', but the target is not found among documentation files"), so that a site which
# moves from one to the other loses pictures without a word; but `mkdocs build --strict --quiet` ends with 0, too: what
# --quiet does not print, --strict does not count.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check zensical==0.0.73 mkdocs==1.6.1
export NO_COLOR=1
mkdir -p "$folder/docs"
cd "$folder"
printf 'site_name: links\n' >mkdocs.yml

say() { # what is expected and was not seen
  echo "zensical-strict-files: changed: $1" >&2
  exit 1
}

printf '# Links\n\n[page](nothing.md) [anchor](#nowhere)\n' >docs/index.md
! "$folder/env/bin/zensical" build --strict --clean >first.log 2>&1 || say "pages and anchors are passed"
grep -q 'page does not exist' first.log || say "a missing page is not named"
grep -q 'anchor does not exist' first.log || say "a missing anchor is not named"

printf '# Links\n\n![picture](missing.svg) [file](missing.py)\n' >docs/index.md
"$folder/env/bin/zensical" build --strict --clean >second.log 2>&1 || say "missing pictures or files stop a strict build"
grep -q 'No issues found' second.log || say "something is said of missing pictures or files"
test ! -e site/missing.svg

! "$folder/env/bin/mkdocs" build --strict >third.log 2>&1 || say "mkdocs passes them, too"
grep -q "'missing.svg'" third.log || say "mkdocs does not name the picture"
"$folder/env/bin/mkdocs" build --strict --quiet >fourth.log 2>&1 || say "mkdocs is strict when quiet"
echo "zensical-strict-files: as described"
