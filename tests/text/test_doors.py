"""The same text through every door gives the same words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.cli.main import main
from asr.config import CorpusConfig, NormaliserName, TokenConfig
from asr.data.manifest import read_manifest
from asr.data.tokens import build_tokens, load_tokenizer, read_normaliser
from asr.decode.corpus import read_sentences
from asr.decode.ngram_counts import UNKNOWN
from asr.errors import UserError
from asr.score.files import Options, TextFile, score_files
from asr.score.table import score_texts
from asr.score.transcripts import read_transcripts, write_transcripts
from asr.text.normaliser import find_normaliser
from data_prep.manifests import build_manifests, fingerprint
from data_prep.scored import build_scored_manifests

WRITTEN = [
    "“Well,” he said—and went on.",
    "A well-known <unk> and/or little-known place",
    "I don’t know",
    "The CAFE of U.S.A., of course!",
]
WORDS = ["WELL HE SAID AND WENT ON", "A WELL KNOWN AND OR LITTLE KNOWN PLACE", "I DON'T KNOW"]
WORDS += ["THE CAFE OF U S A OF COURSE"]


def corpus(root: Path, texts: list[str]) -> CorpusConfig:
    for subset, speaker in (("train", 1), ("other", 2), ("dev", 3)):
        folder = root / subset / str(speaker) / "1"
        folder.mkdir(parents=True)
        for row in range(len(texts)):
            soundfile.write(folder / f"{speaker}-1-{row}.flac", np.zeros(16_000, dtype=np.int16), 16_000)
        lines = {f"{speaker}-1-{row}": text for row, text in enumerate(texts)}
        write_transcripts(folder / f"{speaker}-1.trans.txt", lines)
    return CorpusConfig(source="local", labeled=("train",), unlabeled=("other",), dev=("dev",))


def test_training_dev_label_quality_language_model_and_scorer_see_the_same_words(tmp_path: Path) -> None:
    config, out = corpus(tmp_path / "corpus", WRITTEN), tmp_path / "out"
    build_manifests(config, tmp_path / "corpus", tmp_path / "cache", out)
    build_scored_manifests(config, "dev", tmp_path / "corpus", tmp_path / "cache", out, out / "dev")
    assert [u.text for u in read_manifest(out / "labeled.jsonl")] == WORDS
    assert [u.text for u in read_manifest(out / "dev" / "dev.jsonl")] == WORDS
    assert list(read_transcripts(out / "references" / "unlabeled.trans.txt").values()) == WORDS

    build_tokens(TokenConfig(), out / "labeled.jsonl", tmp_path / "tokens")
    (tmp_path / "text").write_text("\n".join(WRITTEN))
    normalise = find_normaliser(read_normaliser(tmp_path / "tokens"))
    tokenizer, left_out = load_tokenizer(tmp_path / "tokens"), Counter[str]()
    assert [*read_sentences([str(tmp_path / "text")], tokenizer, normalise, UNKNOWN, left_out)] == WORDS
    assert not left_out

    heard = tmp_path / "heard.trans.txt"
    write_transcripts(heard, {f"3-1-{row}": text for row, text in enumerate(WORDS)})
    given = TextFile(tmp_path / "corpus" / "dev", "given")
    scoring = score_files(given, [TextFile(heard, "heard")], Options())
    assert scoring.normaliser == "upper"
    assert [text.reference for text in scoring.systems[0].texts] == WORDS
    assert not any(text.errors for text in scoring.systems[0].texts)


def test_a_comma_and_a_full_stop_in_dev_transcripts_leave_the_word_error_rate_as_it_is(tmp_path: Path) -> None:
    # 91 words of which 15 are heard as another word.
    said = [" ".join("ABCDEFG"[(row + n) % 7] + "X" for n in range(13)) for row in range(7)]
    heard = [" ".join(["WRONG", "WORDS", *text.split()[2:]]) for text in said]
    heard[0] = " ".join(["WRONG", "WORDS", "HERE", *said[0].split()[3:]])
    for number, texts in enumerate([said, [f"{text[:5]}, {text[6:]}." for text in said]]):
        config, out = corpus(tmp_path / str(number), texts), tmp_path / f"out-{number}"
        build_manifests(config, tmp_path / str(number), tmp_path / "cache", out)
        build_scored_manifests(config, "dev", tmp_path / str(number), tmp_path / "cache", out, out / "dev")
        dev = [u.text or "" for u in read_manifest(out / "dev" / "dev.jsonl")]
        assert round(100 * score_texts(dev, heard, ["3"] * 7)["wer"], 2) == 16.48


def test_dev_texts_are_kept_as_given_to_be_scored_otherwise(tmp_path: Path) -> None:
    config, out = corpus(tmp_path / "corpus", [*WRITTEN, "..."]), tmp_path / "out"
    build_manifests(config, tmp_path / "corpus", tmp_path / "cache", out)
    build_scored_manifests(config, "dev", tmp_path / "corpus", tmp_path / "cache", out, out / "dev")
    # What has no word in it is left out, there and here.
    assert list(read_transcripts(out / "dev" / "given" / "dev.trans.txt").values()) == WRITTEN


def test_another_normaliser_makes_other_manifests(tmp_path: Path) -> None:
    config, out = corpus(tmp_path / "corpus", ["Café, Straße"]), tmp_path / "out"
    found = {}
    names: tuple[NormaliserName, ...] = ("upper", "cased", "librispeech", "none")
    for name in names:
        changed = CorpusConfig("local", labeled=config.labeled, unlabeled=(), dev=("dev",), normaliser=name)
        build_manifests(changed, tmp_path / "corpus", tmp_path / "cache", out)
        found[fingerprint(changed, tmp_path / "corpus")] = read_manifest(out / "labeled.jsonl")[0].text
    assert list(found.values()) == ["CAFÉ STRASSE", "Café Straße", "CAFE STRASSE", "Café, Straße"]


def test_a_recognizer_without_accents_learns_words_without_them_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "labeled.jsonl").write_text('{"audio_filepath": "a", "duration": 1, "text": "THE QUICK CAFE"}\n')
    build_tokens(TokenConfig(), tmp_path / "labeled.jsonl", tmp_path / "tokens")
    (tmp_path / "text").write_text("the café\nin 1984 said—and well-known don’t\n1984 мир\n")
    tokenizer, left_out = load_tokenizer(tmp_path / "tokens"), Counter[str]()
    sentences = read_sentences([str(tmp_path / "text")], tokenizer, find_normaliser("upper"), UNKNOWN, left_out)
    assert [*sentences] == ["THE CAFE", "IN <unk> SAID AND WELL KNOWN DON'T", "<unk> <unk>"]
    assert left_out == {"1984": 2, "МИР": 1}


def test_sentences_of_tables_and_transcripts_are_read_without_what_stands_beside_them(tmp_path: Path) -> None:
    (tmp_path / "labeled.jsonl").write_text('{"audio_filepath": "a", "duration": 1, "text": "HI YOU"}\n')
    build_tokens(TokenConfig(), tmp_path / "labeled.jsonl", tmp_path / "tokens")
    files = {
        "cv.tsv": "client_id\tpath\tsentence\tup_votes\nabc\tx.mp3\thi you\t2\n",
        "a.csv": "file,text\nx.wav,hi you\n",
        "nemo.json": '{"audio_filepath": "x.wav", "text": "hi you"}\n',
        "a.trn": "hi you (x-1)\n",
        "kaldi/text": "x-1 hi you\n",
    }
    (tmp_path / "kaldi").mkdir()
    (tmp_path / "kaldi" / "utt2spk").write_text("x-1 x\n")
    tokenizer, left_out = load_tokenizer(tmp_path / "tokens"), Counter[str]()
    how = tokenizer, find_normaliser("upper"), UNKNOWN, left_out
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        assert [*read_sentences([str(tmp_path / name)], *how)] == ["HI YOU"], name
    assert [*read_sentences([str(tmp_path / "kaldi")], *how)] == ["HI YOU"]
    assert not left_out
    for name, message in (("a.srt", "a .srt file, which is not read here"), ("a.ctm", "has words and no sentences")):
        (tmp_path / name).write_text("x 1 0.0 1.0 hi\n")
        with pytest.raises(UserError, match=message):
            list(read_sentences([str(tmp_path / name)], *how))


def test_lm_names_its_normaliser_and_the_words_it_could_not_spell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labeled.jsonl").write_text('{"audio_filepath": "a", "duration": 1, "text": "HI"}\n')
    build_tokens(TokenConfig(), tmp_path / "labeled.jsonl", tmp_path / "tokens")
    (tmp_path / "text").write_text("said—and\nwell-known\ndon’t café 1984\n")
    out = tmp_path / "lm.arpa"
    assert main(["lm", str(tmp_path / "text"), "--tokens", str(tmp_path / "tokens"), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "normaliser upper\n1 words hold what the recognizer has no token for, and are unknown ones: 1984 × 1" in told
    words = {line.split("\t")[1] for line in out.read_text().splitlines() if line.count("\t") and " " not in line}
    assert {"SAID", "AND", "WELL", "KNOWN", "DON'T", "CAFE", "<unk>"} <= words
    assert not {"SAIDAND", "WELLKNOWN", "DONT", "CAF", ""} & words


def test_tokens_remember_their_normaliser(tmp_path: Path) -> None:
    (tmp_path / "labeled.jsonl").write_text('{"audio_filepath": "a", "duration": 1, "text": "HI"}\n')
    build_tokens(TokenConfig(), tmp_path / "labeled.jsonl", tmp_path / "tokens", "librispeech")
    assert read_normaliser(tmp_path / "tokens") == "librispeech"
    (tmp_path / "tokens" / "tokens.json").write_text('{"kind": "char"}')
    assert read_normaliser(tmp_path / "tokens") == "upper"
    (tmp_path / "tokens" / "tokens.json").write_text('{"kind": "char", "normaliser": "x"}')
    with pytest.raises(UserError, match="a normaliser 'x'; known are upper"):
        read_normaliser(tmp_path / "tokens")
    with pytest.raises(UserError, match="no token inventory"):
        read_normaliser(tmp_path / "absent")
