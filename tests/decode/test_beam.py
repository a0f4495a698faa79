from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from asr.data.symbols import BOUNDARY
from asr.decode.beam import BeamSearch
from asr.decode.greedy import pack_best, unpack_best
from asr.decode.hotwords import Hotwords

SYMBOLS = ["<blank>", BOUNDARY, "A", "B", "C"]


def draw(batch: int, frames: int, tokens: int, seed: int, sharpness: float = 1.5) -> Tensor:
    logits = torch.randn(batch, frames, tokens, generator=torch.Generator().manual_seed(seed))
    return (sharpness * logits).log_softmax(-1)


def sum_alignments(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every text, by adding up all paths through `(frames, tokens)`."""
    texts: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = tuple(token for token, _ in itertools.groupby(path) if token)
        weight = math.exp(sum(float(frame[token]) for frame, token in zip(log_probs, path, strict=True)))
        texts[text] = texts.get(text, 0.0) + weight
    return texts


@pytest.mark.parametrize(("frames", "tokens"), [(1, 3), (4, 4), (6, 3)])
def test_a_beam_that_holds_every_text_has_the_probabilities_of_brute_force(frames: int, tokens: int) -> None:
    log_probs = draw(2, frames, tokens, frames)
    lengths = [frames, frames - 1]
    found = BeamSearch(300, tokens, SYMBOLS[:tokens]).hypotheses(log_probs, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        expected = sum_alignments(log_probs[row, :length])
        scores = {tuple(h.ids): math.exp(h.score) for h in found[row]}
        assert scores == pytest.approx(expected, abs=1e-6)
        assert [h.score for h in found[row]] == sorted((h.score for h in found[row]), reverse=True)


def exact(log_probs: Tensor, ids: list[int]) -> float:
    """Log-probability of a text over all its alignments, by PyTorch's loss."""
    frames = torch.tensor([len(log_probs)])
    target, length = torch.tensor([ids], dtype=torch.long), torch.tensor([len(ids)])
    return -float(torch.nn.functional.ctc_loss(log_probs[:, None], target, frames, length, reduction="sum"))


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_is_never_worse_in_score_than_greedy(seed: int) -> None:
    log_probs = draw(4, 24, 5, seed, sharpness=2.0)
    lengths = torch.tensor([24, 20, 9, 1])
    found = BeamSearch(64, 4, SYMBOLS)(log_probs, lengths)
    greedy = unpack_best(pack_best(log_probs, lengths))
    gains = []
    for row, frames in enumerate(lengths.tolist()):
        one = log_probs[row, :frames]
        gains.append(exact(one, found[row].ids) - exact(one, greedy[row].ids))
    assert min(gains) > -1e-4


def test_the_sum_over_paths_beats_the_best_path_where_they_differ() -> None:
    # The best path is all blank (0.36), but A has 0.24 + 0.24 + 0.16.
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    lengths = torch.tensor([2])
    assert unpack_best(pack_best(log_probs, lengths))[0].ids == []
    best = BeamSearch(4, 1, ["<blank>", "A"]).hypotheses(log_probs, lengths)[0][0]
    assert best.ids == [1]
    assert math.exp(best.score) == pytest.approx(0.64)


@pytest.mark.parametrize("width", [2, 8])
def test_what_is_found_does_not_depend_on_the_batch(width: int) -> None:
    log_probs = draw(6, 40, 5, 9)
    lengths = torch.tensor([40, 31, 17, 40, 3, 0])
    search = BeamSearch(width, 4, SYMBOLS, Hotwords(["AB", "C A"], 2.0))
    together = search.hypotheses(log_probs, lengths)
    for row, frames in enumerate(lengths.tolist()):
        assert search.hypotheses(log_probs[row : row + 1, :frames], lengths[row : row + 1]) == together[row : row + 1]
    assert together[5][0].ids == []


def test_of_each_frame_only_the_likeliest_tokens_are_tried() -> None:
    log_probs = torch.tensor([[[0.1, 0.2, 0.4, 0.3, 0.0], [0.9, 0.025, 0.025, 0.025, 0.025]]]).log()
    found = BeamSearch(50, 1, SYMBOLS).hypotheses(log_probs, torch.tensor([2]))[0]
    assert not [h for h in found if h.ids and h.ids[0] in (1, 3, 4) and len(h.ids) == 2]
    assert found[0].ids == [2]


def test_a_hotword_adds_its_score_to_texts_that_have_it_and_to_no_others() -> None:
    log_probs = draw(1, 5, 4, 3)
    lengths = torch.tensor([5])
    plain = {tuple(h.ids): h.score for h in BeamSearch(400, 3, SYMBOLS[:4]).hypotheses(log_probs, lengths)[0]}
    search = BeamSearch(400, 3, SYMBOLS[:4], Hotwords(["ab"], 3.0))
    favoured = {tuple(h.ids): h.score for h in search.hypotheses(log_probs, lengths)[0]}
    assert plain.keys() == favoured.keys()
    for ids, score in favoured.items():
        words = "".join(SYMBOLS[i] for i in ids).split(BOUNDARY)
        assert score - plain[ids] == pytest.approx(3.0 * words.count("AB"), abs=1e-3)
    assert any("AB" in "".join(SYMBOLS[i] for i in ids).split(BOUNDARY) for ids in favoured)
