from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asr.cli.main import main
from asr.config import BatchConfig, DecodeConfig
from asr.data.audio import AudioReader
from asr.data.tokens import load_tokenizer
from asr.decode.search import search_greedily, search_prefixes
from asr.errors import UserError
from asr.recipe.experiment import Experiment
from asr.recipe.tuning import choose_subset, pick_utterances
from asr.train.corpus import read_dev
from asr.train.evaluation import make_decoder

if TYPE_CHECKING:
    from conftest import TinyCorpus


def decoders(run: Path) -> list[str]:
    return [row["decoder"] for row in json.loads((run / "evaluation" / "scores.json").read_text())]


def test_one_training_is_decoded_in_every_way_and_tuned(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    assert main([*recipe, "--stop-stage", "4"]) == 0
    run = next((tmp_path / "exp" / "tiny" / "runs").iterdir())
    assert "× real time: models" in capsys.readouterr().out
    assert decoders(run) == ["greedy"] * 2

    assert main([*recipe, "--decoder", "beam", "--set", "decode.beam=8"]) == 0
    shown = capsys.readouterr().out
    assert "stage 3 train: done already" in shown
    assert "beam 8" in shown
    assert decoders(run) == ["greedy"] * 2 + ["beam 8"] * 2
    folder = next((run / "evaluation").glob("beam-*"))
    assert (folder / "teacher" / "dev.hyp.trans.txt").read_text().count("\n") == 5
    assert "beam 8" in (run / "report.html").read_text()

    assert main([*recipe, "--decoder", "lm", "--stop-stage", "4"]) == 0
    shown = capsys.readouterr().out
    assert "weights as usual" in shown
    assert list((tmp_path / "exp" / "tiny" / "lm").glob("*/words.arpa"))
    assert main([*recipe, "--decoder", "lm", "--stop-stage", "4"]) == 0
    assert "stage 4 evaluate: done already" in capsys.readouterr().out

    tune = ["tune", *recipe[1:], "--utterances", "3"]
    assert main(tune) == 0
    shown = capsys.readouterr().out
    assert "dev: 3 utterances" in shown
    tuned = json.loads((run / "tuned.json").read_text())
    assert [(t["subset"], t["utterances"]) for t in tuned] == [("dev", 3)]
    tuned[0] |= {"lm_weight": 0.25, "word_score": 1.5}
    (run / "tuned.json").write_text(json.dumps(tuned))
    assert main([*recipe, "--decoder", "lm", "--stop-stage", "4"]) == 0
    assert "weights tuned on 3 utterances of dev, whose WER they flatter" in capsys.readouterr().out
    assert decoders(run)[-2:] == ["lm words 0.25 +1.5"] * 2

    assert main([*tune, "--subset", "test-clean"]) == 2
    assert "tuned on one of the recipe's dev subsets, dev;" in capsys.readouterr().err
    assert main(["lm", *recipe[1:], "--units", "tokens"]) == 0
    assert "6-grams of tokens" in capsys.readouterr().out
    assert main([*recipe, "--decoder", "lm", "--stop-stage", "4", "--set", "decode.lexicon=none"]) == 0
    assert "lm tokens" in capsys.readouterr().out

    audio = str(next((tmp_path / "data").rglob("*.flac")))
    assert main(["transcribe", str(run), audio, "--decoder", "lm"]) == 0
    assert "words.arpa, weight 0.25, word score 1.5: weights tuned on" in capsys.readouterr().err


def test_a_missing_package_is_said_before_training(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("flashlight", "ctc_beam_decoder"):
        monkeypatch.setitem(sys.modules, module, None)
    for arguments in ([*recipe, "--decoder", "lm"], ["tune", *recipe[1:]]):
        assert main(arguments) == 2
        assert 'pip install "kappa-asr[lm]"' in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


def test_how_a_run_is_decoded_makes_it_no_other_run(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    config = tiny_corpus.config
    other = dataclasses.replace(config, decode=DecodeConfig(decoder="lm", lm_weight=2.0))
    one, two = (Experiment(c, tmp_path, tmp_path).run(tmp_path) for c in (config, other))
    assert one == two


@pytest.mark.parametrize("seconds", [2.5, 5.0, 60.0])
def test_texts_do_not_depend_on_how_many_utterances_are_decoded_together(
    seconds: float, tiny_corpus: TinyCorpus
) -> None:
    import torch

    from asr.model.encoder import Encoder

    tokenizer = load_tokenizer(tiny_corpus.tokens)
    torch.manual_seed(3)
    encoder = Encoder(80, tokenizer.size, tiny_corpus.config.model).eval()
    # Random outputs that are all but equal would have no words.
    encoder.head.weight.data *= 8
    searches = {
        "greedy": search_greedily,
        "beam": search_prefixes(DecodeConfig(beam=6, hotwords=("AB",)), tiny_corpus.tokens),
    }

    def texts(device_seconds: float) -> dict[str, dict[int, str]]:
        batch = BatchConfig(base_seconds=60.0, max_device_seconds=device_seconds, frame_multiple=24)
        config = dataclasses.replace(tiny_corpus.config, batch=batch)
        manifest = read_dev(tiny_corpus.manifests, config)["dev"]
        reader = AudioReader(1, 0)
        try:
            return make_decoder(config, tokenizer).decode({"model": encoder}, searches, manifest, reader).texts["model"]
        finally:
            reader.close()

    alone = texts(2.4)
    assert len(set(alone["beam"].values())) > 1
    assert texts(seconds) == alone


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
    manifest = read_dev(tiny_corpus.manifests, tiny_corpus.config)["dev"]
    assert [u.id for u in pick_utterances(manifest, 3)] == ["c-0", "c-2", "c-4"]
    assert len(pick_utterances(manifest, 99)) == 5
