"""What scorers make of twelve hard cases; makes the table of docs/peers/scorers.md: `python docs/peers/scorers.py`.

Every column comes from running the installed package, or NIST's sclite; what is not installed gets none, which is said.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from asr.cli.main import main

Texts = list[str]

CASES: dict[str, tuple[Texts, Texts]] = {
    "a substitution and a deletion": (["a b c d"], ["a x c"]),
    "a short and a long utterance": (["a", "a b c d e f g h i"], ["x", "a b c d e f g h i"]),
    "an empty reference beside another": (["", "a b"], ["x y", "a b"]),
    "an empty reference alone": ([""], ["x y"]),
    "words out of step": (["a b c d e"], ["d e x y z"]),
    "case, beyond ASCII": (["Éa B"], ["éa b"]),
    "punctuation": (["hello, world."], ["hello world"]),
    "a no-break space": (["10\u00a0000 men"], ["10 000 men"]),
    "é as one sign and as two": (["caf\u00e9 noir"], ["cafe\u0301 noir"]),
    "sclite's alternatives": (["{ a / b } c"], ["b c"]),
    "a semicolon": (["a b c"], ["a b;x c"]),
    "a hypothesis is missing": (["a b", "c d"], ["a b"]),
}
SCLITE = shutil.which("sclite") or "/usr/lib/sctk/bin/sclite"


def by_jiwer(references: Texts, hypotheses: Texts) -> float:
    import jiwer

    return jiwer.wer(references, hypotheses)


def by_torchmetrics(references: Texts, hypotheses: Texts) -> float:
    from torchmetrics.text import WordErrorRate

    return WordErrorRate()(hypotheses, references).item()


def by_werpy(references: Texts, hypotheses: Texts) -> float:
    import werpy

    return werpy.wer(references, hypotheses)


def by_kaldialign(references: Texts, hypotheses: Texts) -> float:
    """It scores pairs of lists; words are parted, and errors added up, as its callers do."""
    from kaldialign import edit_distance

    found = [edit_distance(one.split(), other.split()) for one, other in zip(references, hypotheses, strict=True)]
    return sum(one["total"] for one in found) / sum(one["ref_len"] for one in found)


def by_speechbrain(references: Texts, hypotheses: Texts) -> float:
    from speechbrain.utils.metric_stats import ErrorRateStats

    stats = ErrorRateStats()
    ids = [str(number) for number in range(len(references))]
    stats.append(ids, [text.split() for text in hypotheses], [text.split() for text in references])
    return stats.summarize("WER") / 100


def sclite_version() -> str:
    said = subprocess.run([SCLITE], capture_output=True, text=True)
    return re.search(r"Version: .*", said.stdout + said.stderr)[0]


def _write_trn(path: Path, texts: Texts) -> str:
    path.write_text("".join(f"{text} (s-{number})\n" for number, text in enumerate(texts)), encoding="utf-8")
    return str(path)


def by_sclite(references: Texts, hypotheses: Texts) -> float:
    with tempfile.TemporaryDirectory() as folder:
        files = [_write_trn(Path(folder, name), texts) for name, texts in (("r", references), ("h", hypotheses))]
        command = [SCLITE, "-r", files[0], "trn", "-h", files[1], "trn", "-i", "rm", "-o", "pra", "stdout"]
        done = subprocess.run([*command, "-e", "utf-8"], capture_output=True, text=True, check=True)
    scores = re.findall(r"^Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", done.stdout, re.MULTILINE)
    right, *wrong = (sum(map(int, column)) for column in zip(*scores, strict=True))
    return sum(wrong) / (right + wrong[0] + wrong[1])


def by_ours(references: Texts, hypotheses: Texts, *options: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        files = [
            _write_trn(Path(folder, f"{name}.trn"), texts) for name, texts in (("r", references), ("h", hypotheses))
        ]
        said, complaint = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
            code = main(["score", *files, "--json", *options])
    if code:
        raise ValueError(complaint.getvalue())
    return json.loads(said.getvalue())["systems"][0]["wer"]


def ours_upper(references: Texts, hypotheses: Texts) -> float:
    return by_ours(references, hypotheses, "--normaliser", "upper")


def ours_as_sclite(references: Texts, hypotheses: Texts) -> float:
    return by_ours(references, hypotheses, "--alignment", "sclite")


TOOLS: dict[str, tuple[str, Callable[[Texts, Texts], float]]] = {
    "jiwer": ("jiwer", by_jiwer),
    "torchmetrics": ("torchmetrics", by_torchmetrics),
    "werpy": ("werpy", by_werpy),
    "SpeechBrain": ("speechbrain", by_speechbrain),
    "kaldialign": ("kaldialign", by_kaldialign),
    "sclite": ("", by_sclite),
    "ours": ("kappa-asr", by_ours),
    "ours, `upper`": ("kappa-asr", ours_upper),
    "ours, `sclite`": ("kappa-asr", ours_as_sclite),
}


def score(tool: Callable[[Texts, Texts], float], case: tuple[Texts, Texts]) -> str:
    """In per cent, or the error that is raised."""
    try:
        rate = tool(*case)
        return "None" if rate is None else f"{100 * rate:.1f}"
    except Exception as error:
        print(f"{tool.__name__} {case}: {type(error).__name__}: {error}", file=sys.stderr)
        return type(error).__name__


def table() -> None:
    columns = {}
    for name, (package, tool) in TOOLS.items():
        try:
            version = metadata.version(package) if package else sclite_version()
            tool(["a"], ["a"])
        except (metadata.PackageNotFoundError, ImportError, OSError) as error:
            print(f"{name}: not run ({' '.join(str(error).split())[:200]})", file=sys.stderr)
            continue
        columns[name] = tool
        print(f"{name}: {version}", file=sys.stderr)
    for row in (["case", *columns], ["---"] * (len(columns) + 1)):
        print("| " + " | ".join(row) + " |")
    for title, case in CASES.items():
        print("| " + " | ".join([title, *(score(tool, case) for tool in columns.values())]) + " |", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    table()
