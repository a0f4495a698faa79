from __future__ import annotations

import dataclasses
from pathlib import Path

import soundfile
from small_model import make_run, noise
from tiny_corpus import TinyCorpus

from asr.checkpoint.checkpoint import load_newest, save_checkpoint
from asr.cli.main import main
from asr.recipe.experiment import Experiment
from asr.recipe.sources import fingerprint_sources


def test_labels_made_anew_in_one_folder_make_another_run(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    audio, labels = tmp_path / "audio", tmp_path / "labels"
    audio.mkdir()
    soundfile.write(audio / "one.wav", noise(1.5), 16_000)
    pseudo = dataclasses.replace(tiny_corpus.config.pseudo, labels=str(labels))
    experiment = Experiment(dataclasses.replace(tiny_corpus.config, pseudo=pseudo), tmp_path, tmp_path)
    names = [experiment.run(tmp_path).name]
    assert fingerprint_sources(experiment.config) == ["absent"]
    for seed in (0, 1):
        run = make_run(tmp_path / f"run{seed}", steps=seed + 1)
        for path in (*labels.glob("*.safetensors"), *labels.glob("labels.json")):
            path.unlink()
        assert main(["label", str(run), str(audio), "--out", str(labels)]) == 0
        names.append(experiment.run(tmp_path).name)
        assert experiment.run(tmp_path).name == names[-1]
    assert len(set(names)) == 3


def test_a_seed_model_that_is_trained_on_or_exported_makes_another_run(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    seed = make_run(tmp_path / "seed")
    model = dataclasses.replace(tiny_corpus.config.model, init=str(seed))
    experiment = Experiment(dataclasses.replace(tiny_corpus.config, model=model), tmp_path, tmp_path)
    first = experiment.run(tmp_path).name
    checkpoint = load_newest(seed / "checkpoints")
    assert checkpoint is not None
    checkpoint.tensors["teacher"]["head.bias"] += 1
    save_checkpoint(seed / "checkpoints", dataclasses.replace(checkpoint, step=2))
    second = experiment.run(tmp_path).name
    assert second != first

    assert main(["export", str(seed), str(tmp_path / "out")]) == 0
    model = dataclasses.replace(model, init=str(tmp_path / "out"))
    config = dataclasses.replace(tiny_corpus.config, model=model)
    exported = fingerprint_sources(config)
    assert exported == fingerprint_sources(config)
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    assert fingerprint_sources(config) != exported
    weights.unlink()
    assert fingerprint_sources(config) == ["absent"]
