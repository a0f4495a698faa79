"""The recipe: six stages from nothing to a report, each left alone where it is done already."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from asr.config_file import dump_config
from asr.errors import UserError
from asr.lock import take_turns
from asr.recipe.experiment import ROLES, Experiment, Paths, Role, digest
from asr.recipe.launch import supervise
from asr.recipe.markers import changed, is_done, mark
from asr.recipe.pretraining import find_pretraining
from asr.scaling.plan import Plan

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
    from data_prep.manifests import fingerprint
    from data_prep.scored import fingerprint_scored

    corpus, root = experiment.config.corpus, experiment.root
    manifests = experiment.manifests(fingerprint(corpus, root))
    dev, tests = (experiment.scored(role, fingerprint_scored(corpus, role, root)) for role in ROLES)
    tokens = experiment.tokens(manifests)
    before = find_pretraining(experiment)
    pretrained = None if before is None else find_paths(before).run
    return Paths(manifests, dev, tests, tokens, experiment.run(tokens, pretrained), pretrained)


def _build_manifests(experiment: Experiment, paths: Paths) -> None:
    from data_prep.manifests import build_manifests
    from data_prep.summary import format_summary

    corpus, hearing = experiment.config.corpus, None
    if corpus.cut_model:
        from asr.recognizer.hearing import open_hearing

        hearing = open_hearing(Path(corpus.cut_model).expanduser())
    say(format_summary(build_manifests(corpus, experiment.root, experiment.cache, paths.manifests, say, hearing)))


def subsets_of(experiment: Experiment, role: Role) -> tuple[str, ...]:
    return experiment.config.corpus.dev if role == "dev" else experiment.config.corpus.test


def scored_of(paths: Paths, role: Role) -> tuple[Path, Path]:
    """The folder of a role's manifests, and the file that says that they are made, apart from what is trained on."""
    folder = paths.dev if role == "dev" else paths.tests
    return folder, folder / f"done-{paths.manifests.name}.json"


def _ensure_scored(experiment: Experiment, paths: Paths, role: Role) -> None:
    """Manifests of the dev or test subsets, made now where they are not there yet."""
    corpus, root = experiment.config.corpus, experiment.root
    folder, done = scored_of(paths, role)
    if not subsets_of(experiment, role) or is_done(1, done, experiment.cache):
        return
    from data_prep.scored import build_scored_manifests
    from data_prep.summary import format_summary

    say(f"{role} subsets: {folder}")
    say(format_summary(build_scored_manifests(corpus, role, root, experiment.cache, paths.manifests, folder, say)))
    mark(done, 1, NAMES[1])


def _build_tokens(experiment: Experiment, paths: Paths) -> None:
    from asr.data.manifest import read_manifest
    from asr.data.tokens import build_tokens
    from asr.score.transcripts import read_transcripts

    names = [Path(name).name for name in experiment.config.corpus.dev]
    others = {name: [u.text or "" for u in read_manifest(paths.dev / f"{name}.jsonl")] for name in names}
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


def train_command(paths: Paths, processes: int, stop_hours: float | None = None) -> list[str]:
    """How several processes are started; the run's settings lie in its folder."""
    alone = [] if _several_machines() else ["--standalone"]
    launch = [sys.executable, "-m", "asr.recipe.launch", *alone, f"--nproc-per-node={processes}"]
    where = ["--manifests", str(paths.manifests), "--dev", str(paths.dev), "--tokens", str(paths.tokens)]
    where += ["--run-dir", str(paths.run)]
    stop = [] if stop_hours is None else ["--stop-hours", f"{stop_hours:.15g}"]
    return [*launch, "-m", "asr", "train", str(paths.run / "config.yaml"), *where, *stop]


def _train(experiment: Experiment, paths: Paths, processes: int, stop_hours: float | None) -> None:
    from asr.recipe.initial import find_initial
    from asr.recipe.language_model import with_labels_lm
    from asr.train.run import train

    config = with_labels_lm(experiment, paths, say)
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
        where = paths.manifests, paths.tokens, paths.run
        train(config, *where, initial=find_initial(config, paths.tokens), stop_hours=stop_hours, dev=paths.dev)
        return
    # What can be found wrong without training is found here, once, instead of by every process.
    Plan(config)
    paths.run.mkdir(parents=True, exist_ok=True)
    # Machines that start together must not write to one file.
    aside = paths.run / f".config.yaml.{socket.gethostname()}.partial"
    aside.write_text(dump_config(config), encoding="utf-8")
    aside.replace(paths.run / "config.yaml")
    code = supervise(train_command(paths, processes, stop_hours))
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
    evaluate(experiment.config, paths.dev, paths.tokens, paths.run, search, tell=say, tests=paths.tests)


def _report(paths: Paths) -> None:
    from asr.report.page import write_report

    write_report(paths.run, paths.run / "report.html")


def marker(stage: int, experiment: Experiment, paths: Paths) -> Path:
    """The file whose presence says that a stage is done."""
    if stage == 4:
        from asr.recipe.decoding import choose_decoding

        # With other subsets there is something left to score.
        name = f"done-{digest([paths.dev.name, paths.tests.name])}.json"
        return paths.run / "evaluation" / choose_decoding(experiment, paths).folder / name
    return {
        1: paths.manifests / "done.json",
        2: paths.tokens / "done.json",
        3: paths.run / "complete.json",
        5: paths.run / "report.html",
    }[stage]


def run_stages(
    experiment: Experiment, first: int, last: int, processes: int = 1, stop_hours: float | None = None
) -> None:
    """Run stages `first` to `last`, and before them any earlier stage that is not done.

    Training is left at `stop_hours` of audio, where they are given, and nothing may come after it then.

    Raises:
        UserError: something the user can put right.
        StageFailed: a training process failed.
    """
    if last >= 4 and experiment.config.decode.decoder == "lm":
        from asr.recipe.language_model import check_lm

        check_lm(experiment, say)
    if first <= 3 <= last and experiment.config.pseudo.searches_words:
        from asr.pseudo.words import check_word_search

        check_word_search(experiment.config.pseudo)
    say(f"stage 0 {NAMES[0]}: {experiment.root}")
    _prepare_data(experiment)
    before = find_pretraining(experiment)
    if before is not None and before.config.corpus != experiment.config.corpus:
        # A run is named after what it starts from, and that after its audio.
        say(f"stage 0 {NAMES[0]}, of pre-training: {before.root}")
        _prepare_data(before)
    if last == 0:
        return
    paths = find_paths(experiment)
    actions: dict[int, Callable[[], None]] = {
        1: lambda: _build_manifests(experiment, paths),
        2: lambda: _build_tokens(experiment, paths),
        3: lambda: _train(experiment, paths, processes, stop_hours),
        4: lambda: _evaluate(experiment, paths),
        5: lambda: _report(paths),
    }
    fresh = False
    with ExitStack() as preparing:
        # Runs of one corpus are often started at once: the first one prepares it, the others find it prepared.
        preparing.enter_context(take_turns(experiment.home / ".prepare.lock", say))
        for stage in range(1, last + 1):
            if stage == 3:
                preparing.close()
            if stage == 4 and experiment.config.decode.decoder == "lm":
                from asr.recipe.language_model import ensure_lm

                ensure_lm(experiment, paths, say)
            done = marker(stage, experiment, paths)
            head = f"stage {stage} {NAMES[stage]}"
            if not fresh and is_done(stage, done, experiment.cache):
                say(f"{head}: done already, {done.parent}")
            else:
                if stage == 1 and done.is_file():
                    say(f"{head}: decoded audio has been deleted, done again")
                elif not done.is_file() and stage <= 3 and changed(done.parent):
                    say(f"{head}: settings or inputs are new, done again; what there was is kept")
                elif stage < first:
                    say(f"{head}: not done yet, and stage {first} needs it")
                else:
                    say(head)
                actions[stage]()
                # What is read from a folder just written must be made anew, whatever marker lies there.
                fresh = True
                if done.name.startswith("done"):
                    mark(done, stage, NAMES[stage])
            if stage == 1:
                # Before training: a test subset that is trained on is no news for the end.
                for role in ROLES:
                    _ensure_scored(experiment, paths, role)
    if last >= 4 and _writes_text(experiment):
        say("\n" + (paths.run / "evaluation" / "scores.txt").read_text(encoding="utf-8"))
    if last >= 5:
        say(f"report: {paths.run / 'report.html'}")
