from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from file_server import FileServer

from asr.checkpoint.checkpoint import Checkpoint, save_checkpoint
from asr.cli.main import main
from asr.config import BatchConfig, DecodeConfig, ModelConfig
from asr.config_file import dump_config, load_config
from asr.data.audio import AudioReader
from asr.data.tokens import load_tokenizer
from asr.decode.arpa import write_arpa
from asr.decode.choice import search_prefixes
from asr.decode.ngram import NgramSettings, train_ngrams
from asr.decode.search import search_greedily
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.recipe.experiment import Experiment
from asr.recipe.stages import find_paths
from asr.recipe.tuning import choose_subset, pick_utterances
from asr.train.corpus import read_scored
from asr.train.evaluation import MODELS, make_decoder
from data_prep.librispeech_lm import LEXICON, MD5

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def decoders(run: Path) -> list[str]:
    return [row["decoder"] for row in json.loads((run / "evaluation" / "scores.json").read_text())]


@pytest.fixture
def trained(recipe: list[str], tmp_path: Path) -> list[str]:
    """Arguments of a recipe whose training is done, if only by a random model."""
    assert main([*recipe, "--stop-stage", "2"]) == 0
    config = load_config(Path(recipe[2]))
    paths = find_paths(Experiment(config, tmp_path / "data", tmp_path / "exp"))
    tensors = {}
    for seed, name in enumerate(MODELS):
        tensors[name] = dict(talkative(config.model, load_tokenizer(paths.tokens).size, seed).state_dict())
    save_checkpoint(paths.run / "checkpoints", Checkpoint(7, tensors, {}))
    (paths.run / "config.yaml").write_text(dump_config(config))
    shutil.copytree(paths.tokens, paths.run / "tokens")
    (paths.run / "complete.json").write_text("{}")
    return recipe


def talkative(model: ModelConfig, tokens: int, seed: int) -> Encoder:
    torch.manual_seed(seed)
    encoder = Encoder(80, tokens, model).eval()
    # Random outputs that are all but equal would have no words.
    encoder.head.weight.data *= 8
    return encoder


def test_one_training_is_decoded_in_every_way(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = next((tmp_path / "exp" / "tiny" / "runs").iterdir())
    assert main([*trained, "--stop-stage", "4"]) == 0
    assert "× real time: models" in capsys.readouterr().out
    assert decoders(run) == ["greedy"] * 2
    assert main([*trained, "--decoder", "beam", "--set", "decode.beam=8"]) == 0
    shown = capsys.readouterr().out
    assert "stage 3 train: done already" in shown
    assert "beam 8" in shown
    assert decoders(run) == ["greedy"] * 2 + ["beam 8"] * 2
    folder = next((run / "evaluation").glob("beam-*"))
    assert (folder / "teacher" / "dev.hyp.trans.txt").read_text().count("\n") == 5
    assert "beam 8" in (run / "report.html").read_text()
    assert main([*trained, "--decoder", "beam", "--set", "decode.beam=8", "--stop-stage", "4"]) == 0
    assert "stage 4 evaluate: done already" in capsys.readouterr().out


def test_a_language_model_is_made_tuned_and_used(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    run = next((tmp_path / "exp" / "tiny" / "runs").iterdir())
    evaluate = [*trained, "--decoder", "lm", "--stop-stage", "4"]
    assert main(evaluate) == 0
    assert "weights as usual" in capsys.readouterr().out
    assert list((tmp_path / "exp" / "tiny" / "lm").glob("*/words.arpa"))

    tune = ["tune", *trained[1:], "--utterances", "3"]
    assert main(tune) == 0
    assert "dev: 3 utterances" in capsys.readouterr().out
    tuned = json.loads((run / "tuned.json").read_text())
    assert [(t["subset"], t["utterances"]) for t in tuned] == [("dev", 3)]
    tuned[0] |= {"lm_weight": 0.25, "word_score": 1.5}
    (run / "tuned.json").write_text(json.dumps(tuned))
    assert main(evaluate) == 0
    note = "weights tuned on 3 utterances of dev, heard by the teacher, whose WER they flatter"
    assert note in capsys.readouterr().out
    assert decoders(run)[-2:] == ["lm words 0.25 +1.5"] * 2

    assert main([*tune, "--subset", "test-clean"]) == 2
    assert "tuned on one of the recipe's dev subsets, dev;" in capsys.readouterr().err
    assert main(["lm", *trained[1:], "--units", "tokens"]) == 0
    assert "6-grams of tokens" in capsys.readouterr().out
    assert main([*evaluate, "--set", "decode.lexicon=none"]) == 0
    assert "lm tokens" in capsys.readouterr().out

    audio = str(next((tmp_path / "data").rglob("*.flac")))
    assert main(["transcribe", str(run), audio, "--decoder", "lm"]) == 0
    assert "words.arpa, weight 0.25, word score +1.5: weights tuned on" in capsys.readouterr().err


def test_an_official_language_model_is_downloaded_tuned_and_used(
    trained: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    server: FileServer,
) -> None:
    pytest.importorskip("flashlight.lib.text")
    write_arpa(tmp_path / "lm.arpa.gz", train_ngrams([["ONE", "TWO"]] * 3, NgramSettings(2)))
    files = {"3-gram.pruned.1e-7.arpa.gz": (tmp_path / "lm.arpa.gz").read_bytes(), LEXICON: b"ONE W AH1 N\n"}
    server.files = {f"11/{file}": content for file, content in files.items()}
    for file, content in files.items():
        monkeypatch.setitem(MD5, file, hashlib.md5(content).hexdigest())
    command = [*trained, "--set", "decode.lm=librispeech-3gram-pruned", "--set", f"corpus.base_url={server.url}"]
    decode = [*command, "--decoder", "lm", "--stop-stage", "4"]
    assert main([*decode, "--dry-run"]) == 0
    assert server.paths == []
    server.refusals = [404]
    assert main(decode) == 2
    assert "answers 404 Not Found; check corpus.base_url" in capsys.readouterr().err
    assert main(decode) == 0
    assert "downloading http://127.0.0.1" in capsys.readouterr().out
    assert main(["tune", *command[1:], "--utterances", "3"]) == 0
    run = next((tmp_path / "exp" / "tiny" / "runs").iterdir())
    lm = tmp_path / "data" / "librispeech-lm" / "3-gram.pruned.1e-7.arpa.gz"
    assert [tuned["lm"] for tuned in json.loads((run / "tuned.json").read_text())] == [str(lm)]
    assert main(decode) == 0
    assert "weights tuned on 3 utterances" in capsys.readouterr().out
    assert server.paths[1:] == [f"11/{file}" for file in files]


def test_a_package_or_file_that_is_missing_is_said_before_training(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("flashlight", "ctc_beam_decoder"):
        monkeypatch.setitem(sys.modules, module, None)
    for arguments in ([*recipe, "--decoder", "lm"], ["tune", *recipe[1:]]):
        assert main(arguments) == 2
        assert "-m pip install " in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr("asr.decode.language_model.check_package", lambda: None)
    assert main([*recipe, "--decoder", "lm", "--set", f"decode.lm={tmp_path / 'absent.arpa'}"]) == 2
    assert "absent.arpa: cannot read language model" in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


def test_how_a_run_is_decoded_makes_it_no_other_run(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    config = tiny_corpus.config
    other = dataclasses.replace(config, decode=DecodeConfig(decoder="lm", lm_weight=2.0))
    one, two = (Experiment(c, tmp_path, tmp_path).run(tmp_path) for c in (config, other))
    assert one == two


def test_texts_do_not_depend_on_how_many_utterances_are_decoded_together(tiny_corpus: TinyCorpus) -> None:
    tokenizer = load_tokenizer(tiny_corpus.tokens)
    encoder = talkative(tiny_corpus.config.model, tokenizer.size, 3)
    searches = {
        "greedy": search_greedily,
        "beam": search_prefixes(DecodeConfig(beam=6, hotwords=("AB",)), tiny_corpus.tokens),
    }

    def texts(device_seconds: float) -> dict[str, dict[int, str]]:
        batch = BatchConfig(base_seconds=60.0, unit_seconds=device_seconds, frame_multiple=24)
        config = dataclasses.replace(tiny_corpus.config, batch=batch)
        manifest = read_scored(tiny_corpus.manifests / "dev", config.corpus.dev)["dev"]
        reader = AudioReader(1, 0)
        try:
            return make_decoder(config, tokenizer).decode({"model": encoder}, searches, manifest, reader).texts["model"]
        finally:
            reader.close()

    alone = texts(2.4)
    assert len(set(alone["beam"].values())) > 1
    assert texts(5.0) == alone
    assert texts(60.0) == alone


def test_only_a_dev_subset_of_the_recipe_is_tuned_on(tiny_corpus: TinyCorpus) -> None:
    def config(*dev: str):  # type: ignore[no-untyped-def]
        corpus = dataclasses.replace(tiny_corpus.config.corpus, dev=dev)
        return dataclasses.replace(tiny_corpus.config, corpus=corpus)

    assert choose_subset(config("/data/test-other", "dev-latest", "dev-b"), None) == "dev-latest"
    assert choose_subset(config("dev-a", "dev-b"), "dev-b") == "dev-b"
    for dev, name in ((("dev-a", "test-clean"), "test-clean"), (("dev-a",), "train"), (("test_a",), None)):
        with pytest.raises(UserError, match=r"dev subset|a test set"):
            choose_subset(config(*dev), name)


def test_the_utterances_that_are_tuned_on_are_spread_over_all(tiny_corpus: TinyCorpus) -> None:
    manifest = read_scored(tiny_corpus.manifests / "dev", tiny_corpus.config.corpus.dev)["dev"]
    assert [u.id for u in pick_utterances(manifest, 3)] == ["c-0", "c-2", "c-4"]
    assert len(pick_utterances(manifest, 99)) == 5
