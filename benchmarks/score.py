"""Scoring against jiwer: `kappa-asr score` on files, and jiwer's words and characters on the same texts in memory.

    python benchmarks/score.py --words 1000000

The two take turns. On our side everything is counted: start, reading, normaliser, alignments, WER, CER, intervals over
speakers, confusions, the printed report. On jiwer's side only `process_words` and `process_characters` are. Both must
find the same rates.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SPEAKERS = 250
MEAN_WORDS = 35
"""Of an utterance, as in LibriSpeech."""

JIWER = """
import json, sys, time
import jiwer
texts = [[line.rstrip("\\n").partition(" ")[2] for line in open(path, encoding="utf-8")] for path in sys.argv[1:]]
wall, cpu = time.perf_counter(), time.process_time()
words, characters = jiwer.process_words(*texts), jiwer.process_characters(*texts)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"wer": words.wer, "cer": characters.cer, "wall": wall, "cpu": cpu}))
"""


def write_texts(folder: Path, words: int, seed: int) -> tuple[Path, Path]:
    """References and hypotheses of about so many words, in which 7 % are wrong."""
    rng = random.Random(seed)
    letters = "ETAOINSHRDLUCMFWYPVBGKQJXZ'"
    drawn = ("".join(rng.choices(letters, range(len(letters), 0, -1), k=rng.randint(2, 11))) for _ in range(30_000))
    vocabulary = ["'".join(filter(None, word.split("'"))) or "A" for word in drawn]
    often = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))
    reference, hypothesis = folder / "ref.trans.txt", folder / "hyp.trans.txt"
    with reference.open("w") as said, hypothesis.open("w") as heard:
        for row in range(max(words // MEAN_WORDS, 1)):
            text = rng.choices(vocabulary, cum_weights=often, k=rng.randint(2, 2 * MEAN_WORDS - 2))
            wrong: list[str] = []
            for word in text:
                lot = rng.random()
                # 4 % substitutions, 1.5 % deletions, 1.5 % insertions.
                if lot > 0.055:
                    wrong.append(word)
                if lot < 0.04 or lot > 0.985:
                    wrong.append(rng.choices(vocabulary, cum_weights=often)[0])
            name = f"{row % SPEAKERS}-{row // SPEAKERS}"
            said.write(f"{name} {' '.join(text)}\n")
            heard.write(f"{name} {' '.join(wrong)}\n")
    return reference, hypothesis


def run_ours(files: tuple[Path, Path], *options: str) -> tuple[float, float, str]:
    """Wall and CPU seconds of the whole process, and what it prints."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "asr", "score", *map(str, files), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def run_jiwer(files: tuple[Path, Path]) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", JIWER, *map(str, files)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, default=1_000_000, help="of the references (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the texts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = write_texts(Path(folder), arguments.words, arguments.seed)
        (system,) = json.loads(run_ours(files, "--json")[2])["systems"]
        ours: dict[str, list[float]] = {"cpu": [], "wall": []}
        theirs: dict[str, list[float]] = {"cpu": [], "wall": []}
        for _ in range(arguments.rounds):
            wall, cpu, _ = run_ours(files)
            other = run_jiwer(files)
            if (other["wer"], other["cer"]) != (system["wer"], system["cer"]):
                raise SystemExit(f"jiwer finds {other}, kappa-asr {system['wer']}, {system['cer']}")
            for kind, seconds in (("cpu", cpu), ("wall", wall)):
                ours[kind].append(seconds)
                theirs[kind].append(other[kind])
    print(
        f"{system['words']:,} words in {system['utterances']:,} utterances, WER {100 * system['wer']:.2f} %, "
        f"CER {100 * system['cer']:.2f} %, the same by both; {arguments.rounds} rounds, median (least – most)"
    )
    for kind, name in (("cpu", "CPU seconds"), ("wall", "wall seconds")):
        ratios = [one / other for one, other in zip(ours[kind], theirs[kind], strict=True)]
        print(f"{name:<13} kappa-asr {spread(ours[kind])}   jiwer {spread(theirs[kind])}   ratio {spread(ratios)}")


if __name__ == "__main__":
    main()
