"""What is taken for audio by its name: one list for corpora and for `transcribe`."""

from __future__ import annotations

NATIVE = (
    ".wav .wave .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .mpga .aiff .aif .aifc .au .snd .caf .sph .nist .wv1 .wv2"
).split()
"""Read by libsndfile. The last two are the WSJ corpus's names of SPHERE files."""
FALLBACK = (
    ".m4a .m4b .mp4 .m4v .aac .webm .mka .mkv .mov .avi .wma .wmv .asf .amr .awb .3gp .ac3 .ape .wv .tta .spx .mpg .ts"
).split()
"""Read by FFmpeg, with the extra `av`."""
AUDIO_SUFFIXES = frozenset([*NATIVE, *FALLBACK])
