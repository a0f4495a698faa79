#!/bin/sh
# NIST's sclite (SCTK 2.4.10, Debian's package sctk 2.4.10-20151007-1312Z+dfsg2-3.1) keeps the times of an STM in single
# precision and the middles of a CTM's words in double. A word whose middle is, in decimals, exactly where one segment
# ends and the next begins is scored in the first of the two or in the second, by how the end happens to be rounded:
#
#   end 10.35 s, word from 10.15 s for 0.4 s  ->  in the segment that ends   (as a single, 10.35 is 10.3500004)
#   end  8.48 s, word from  8.28 s for 0.4 s  ->  in the segment that begins (as a single, 8.48 is 8.4799995)
#
# One would expect both words in the segment that begins, as sclite takes words whose middle is before the end. Whoever
# assigns words to segments with the same decimals in double precision gets other counts than sclite. Seen 2026-11-30.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq 'sctk=2.4.10-20151007-1312Z+dfsg2-3.1' >/dev/null 2>&1
dpkg-deb -x sctk_*.deb package

# Prints the segment, first or second, in which the one word is counted.
segment() {
    printf 'talk 1 first 0 %s a\ntalk 1 second %s 20 a\n' "$1" "$1" >ref.stm
    printf 'talk 1 %s 0.4 word\n' "$2" >hyp.ctm
    package/usr/lib/sctk/bin/sclite -r ref.stm stm -h hyp.ctm ctm -o pra stdout -f 0 |
        awk '/^id:/ { id = $2 } /^HYP:.*WORD/ { gsub(/[()]|-000/, "", id); print id }'
}

found="$(segment 10.35 10.15) $(segment 8.48 8.28)"
echo "sclite counts the words in: $found"
[ "$found" = "first second" ]
