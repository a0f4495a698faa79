"""The recipe: six stages from nothing to a report, each left alone where it is done already."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from asr.config_file import dump_config
from asr.errors import UserError
from asr.recipe.experiment import Experiment, Paths
from asr.recipe.launch import supervise
from asr.recipe.pretraining import find_pretraining

NAMES = ("data", "manifests", "tokens", "train", "evaluate", "report")


class StageFailed(Exception):
    """A process that a stage started has failed or was stopped, and said why; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


def say(text: str) -> None:
    print(text, flush=True)


def _prepare_data(experiment: Experiment) -> None:
    corpus, root = experiment.config.corpus, experiment.root
    if corpus.source == "mini":
        from data_prep.mini import generate

        generate(root, progress=say)
        return
    names = [*corpus.labeled, *corpus.unlabeled, *corpus.dev, *corpus.test]
    if corpus.source == "librispeech":
        from data_prep.librispeech import download

        download(root, names, corpus.base_url, progress=say)
        return
    if corpus.source == "manifest":
        # A manifest that is missing is named as soon as it is read, which is at once.
        return
    missing = [name for name in names if not (root / name).is_dir()]
    if missing:
        found = (
            f"found there: {', '.join(sorted(p.name for p in root.iterdir())[:10])}"
            if root.is_dir()
            else "no such folder"
        )
        raise UserError(f"{root}: subset {missing[0]!r} is missing ({found}); set corpus.root, or put the audio there")


def find_paths(experiment: Experiment) -> Paths:
    """Raises UserError where the corpus is not on disk."""
    from data_prep.manifests import fingerprint, fingerprint_tests

    corpus, root = experiment.config.corpus, experiment.root
    manifests = experiment.manifests(fingerprint(corpus, root))
    tests = experiment.tests(fingerprint_tests(corpus, root))
    tokens = experiment.tokens(manifests)
    before = find_pretraining(experiment)
    pretrained = None if before is None else find_paths(before).run
    return Paths(manifests, tests, tokens, experiment.run(tokens, pretrained), pretrained)


def _build_manifests(experiment: Experiment, paths: Paths) -> None:
    from data_prep.manifests import build_manifests, format_summary

    corpus, hearing = experiment.config.corpus, None
    if corpus.cut_model:
        from asr.recognizer.hearing import open_hearing

        hearing = open_hearing(Path(corpus.cut_model).expanduser())
    say(format_summary(build_manifests(corpus, experiment.root, experiment.cache, paths.manifests, say, hearing)))


def _ensure_tests(experiment: Experiment, paths: Paths) -> None:
    """Manifests of the test subsets, made now where they are not there yet."""
    done = paths.tests / "done.json"
    if not experiment.config.corpus.test or _is_done(1, done, experiment.cache):
        return
    from data_prep.manifests import build_test_manifests, format_summary

    corpus, root = experiment.config.corpus, experiment.root
    say(f"test subsets: {paths.tests}")
    say(format_summary(build_test_manifests(corpus, root, experiment.cache, paths.manifests, paths.tests, say)))
    _mark(done, 1)


def _build_tokens(experiment: Experiment, paths: Paths) -> None:
    from asr.data.manifest import read_manifest
    from asr.data.tokens import build_tokens
    from asr.score.transcripts import read_transcripts

    dev = sorted(paths.manifests.glob("dev/*.jsonl"))
    others = {path.stem: [u.text or "" for u in read_manifest(path)] for path in dev}
    hidden = paths.manifests / "references" / "unlabeled.trans.txt"
    if hidden.is_file():
        others["hidden text of unlabeled audio"] = list(read_transcripts(hidden).values())
    config = experiment.config
    labeled = paths.manifests / "labeled.jsonl"
    if not labeled.stat().st_size and not _writes_text(experiment):
        say("no labeled audio, and so no tokens; nothing is written")
        return
    say(build_tokens(config.tokens, labeled, paths.tokens, config.corpus.normaliser, others))


def _writes_text(experiment: Experiment) -> bool:
    """Whether what is trained is a recognizer, or what one starts from."""
    return experiment.config.objective.kind == "ctc"


def _several_machines() -> bool:
    """Whether torchrun's variables for several machines are set."""
    return "PET_NNODES" in os.environ


def train_command(paths: Paths, processes: int) -> list[str]:
    """How several processes are started; the run's settings lie in its folder."""
    alone = [] if _several_machines() else ["--standalone"]
    launch = [sys.executable, "-m", "asr.recipe.launch", *alone, f"--nproc-per-node={processes}"]
    where = ["--manifests", str(paths.manifests), "--tokens", str(paths.tokens), "--run-dir", str(paths.run)]
    return [*launch, "-m", "asr", "train", str(paths.run / "config.yaml"), *where]


def _train(experiment: Experiment, paths: Paths, processes: int) -> None:
    from asr.recipe.initial import initial_weights
    from asr.scaling.plan import Plan
    from asr.train.run import train

    config = experiment.config
    before = find_pretraining(experiment)
    if before is not None and paths.pretrained is not None:
        say(f"pretrain: {paths.pretrained}")
        run_stages(before, 3, 3, processes)
        say("pretrain: done")
        # The run says itself what it started from.
        model = dataclasses.replace(config.model, init=str(paths.pretrained))
        config = dataclasses.replace(config, model=model, pretrain=())
    say(f"run folder: {paths.run}")
    if processes == 1 and not _several_machines():
        train(config, paths.manifests, paths.tokens, paths.run, initial=initial_weights(config))
        return
    # What can be found wrong without training is found here, once, instead of by every process.
    Plan(config)
    paths.run.mkdir(parents=True, exist_ok=True)
    # Machines that start together must not write to one file.
    aside = paths.run / f".config.yaml.{socket.gethostname()}.partial"
    aside.write_text(dump_config(config), encoding="utf-8")
    aside.replace(paths.run / "config.yaml")
    code = supervise(train_command(paths, processes))
    if code:
        raise StageFailed(code)


def _evaluate(experiment: Experiment, paths: Paths) -> None:
    if not _writes_text(experiment):
        say("trained on audio alone, it writes no text to be scored; start a run from it, by model.init or pretrain")
        return
    from asr.recipe.decoding import choose_decoding, open_search
    from asr.train.evaluation import evaluate

    decoding = choose_decoding(experiment, paths)
    if decoding.note:
        say(f"{decoding.about}: {decoding.note}")
    search = open_search(decoding, paths.tokens, say)
    evaluate(experiment.config, paths.manifests, paths.tokens, paths.run, search, tell=say, tests=paths.tests)


def _report(paths: Paths) -> None:
    from asr.report.page import write_report

    write_report(paths.run, paths.run / "report.html")


def marker(stage: int, experiment: Experiment, paths: Paths) -> Path:
    """The file whose presence says that a stage is done."""
    if stage == 4:
        from asr.recipe.decoding import choose_decoding

        # With other test subsets there is something left to score.
        name = f"done-{paths.tests.name}.json" if experiment.config.corpus.test else "done.json"
        return paths.run / "evaluation" / choose_decoding(experiment, paths).folder / name
    return {
        1: paths.manifests / "done.json",
        2: paths.tokens / "done.json",
        3: paths.run / "complete.json",
        5: paths.run / "report.html",
    }[stage]


def _mark(path: Path, stage: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps({"stage": stage, "name": NAMES[stage]}) + "\n", encoding="utf-8")
    aside.replace(path)


def _audio_is_gone(manifests: Path, cache: Path) -> bool:
    """Whether decoded audio was deleted under its manifests; one such utterance of each is looked for."""
    beginning = json.dumps(str(cache), ensure_ascii=False)[1:-1] + "/"
    rows = [path for path in (*manifests.glob("*.jsonl"), *manifests.glob("dev/*.jsonl")) if path.stem != "rejected"]
    for path in sorted(rows):
        with path.open(encoding="utf-8") as file:
            first = next((line for line in file if beginning in line), None)
        if first is not None and not Path(json.loads(first)["audio_filepath"]).exists():
            return True
    return False


def _is_done(stage: int, done: Path, cache: Path) -> bool:
    """Whether a stage has left its marker, and the audio that manifests point to is still there."""
    return done.is_file() and not (stage == 1 and _audio_is_gone(done.parent, cache))


def _changed(folder: Path) -> bool:
    """Whether a folder with another digest stands beside this one."""
    kind = folder.name.rpartition("-")[0]
    return any(p.name.rpartition("-")[0] == kind and p != folder for p in folder.parent.glob("*"))


def run_stages(experiment: Experiment, first: int, last: int, processes: int = 1) -> None:
    """Run stages `first` to `last`, and before them any earlier stage that is not done.

    Raises:
        UserError: something the user can put right.
        StageFailed: a training process failed.
    """
    if last >= 4 and experiment.config.decode.decoder == "lm":
        from asr.recipe.language_model import check_lm

        check_lm(experiment, say)
    say(f"stage 0 {NAMES[0]}: {experiment.root}")
    _prepare_data(experiment)
    if last == 0:
        return
    paths = find_paths(experiment)
    actions: dict[int, Callable[[], None]] = {
        1: lambda: _build_manifests(experiment, paths),
        2: lambda: _build_tokens(experiment, paths),
        3: lambda: _train(experiment, paths, processes),
        4: lambda: _evaluate(experiment, paths),
        5: lambda: _report(paths),
    }
    fresh = False
    for stage in range(1, last + 1):
        if stage == 4 and experiment.config.decode.decoder == "lm":
            from asr.recipe.language_model import ensure_lm

            ensure_lm(experiment, paths, say)
        done = marker(stage, experiment, paths)
        head = f"stage {stage} {NAMES[stage]}"
        if not fresh and _is_done(stage, done, experiment.cache):
            say(f"{head}: done already, {done.parent}")
        else:
            if stage == 1 and done.is_file():
                say(f"{head}: decoded audio has been deleted, done again")
            elif not done.is_file() and stage <= 3 and _changed(done.parent):
                say(f"{head}: settings or inputs are new, done again; what there was is kept")
            elif stage < first:
                say(f"{head}: not done yet, and stage {first} needs it")
            else:
                say(head)
            actions[stage]()
            # What is read from a folder just written must be made anew, whatever marker lies there.
            fresh = True
            if done.name.startswith("done"):
                _mark(done, stage)
        if stage == 1:
            # Before training: a test subset that is trained on is no news for the end.
            _ensure_tests(experiment, paths)
    if last >= 4 and _writes_text(experiment):
        say("\n" + (paths.run / "evaluation" / "scores.txt").read_text(encoding="utf-8"))
    if last >= 5:
        say(f"report: {paths.run / 'report.html'}")


def describe_stages(experiment: Experiment, first: int, last: int, processes: int) -> None:
    """Say what `run_stages` would do, and do none of it."""
    say(f"stage 0 data: {experiment.config.corpus.source} corpus at {experiment.root}")
    if last == 0:
        return
    try:
        paths = find_paths(experiment)
    except UserError:
        say(f"stages 1 to {last}: run, once the corpus is there")
        return
    for stage in range(1, last + 1):
        done = marker(stage, experiment, paths)
        missing = "would run" if stage >= first else "would run first, not done yet"
        state = "done already" if _is_done(stage, done, experiment.cache) else missing
        say(f"stage {stage} {NAMES[stage]}: {state}, {done.parent}")
        if stage == 3 and paths.pretrained is not None:
            done = paths.pretrained / "complete.json"
            say(f"  pretrain: {'done already' if done.is_file() else 'would run first'}, {paths.pretrained}")
        if stage == 3 and processes > 1:
            say("  " + " ".join(train_command(paths, processes)))
