from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import Config
from asr.data.batching import Grid, MicroBatch, Stream, check_lengths, plan_epoch, share_out, shuffled
from asr.errors import UserError
from asr.scaling.plan import Plan

LENGTHS = np.random.default_rng(1).gamma(4.0, 3.0, 4000).clip(1.0, 16.0)
"""About as LibriSpeech: 12 s on average, up to 16."""


def test_every_utterance_occurs_once_an_epoch() -> None:
    batches = plan_epoch(LENGTHS, Grid(60.0, 90.0), 0.02, seed=1, epoch=0)
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(len(LENGTHS)))


def test_padding_stays_under_five_percent_on_librispeech_like_lengths() -> None:
    batches = plan_epoch(LENGTHS, Grid(60.0, 90.0), 0.02, seed=1, epoch=0)
    padded = sum(len(b.rows) * b.frames for b in batches) * 0.01
    assert 1 - LENGTHS.sum() / padded < 0.05


def test_shapes_are_few_and_the_number_of_utterances_follows_from_the_length_but_for_few() -> None:
    batches = plan_epoch(LENGTHS, Grid(60.0, 90.0), 0.02, seed=1, epoch=0)
    shapes = {(len(b.rows), b.frames) for b in batches}
    # The shortest utterances of all may be left with a batch that is not full.
    assert len(shapes) <= 3 * len({frames for _, frames in shapes}) <= 100
    for frames in {frames for _, frames in shapes} - {min(frames for _, frames in shapes)}:
        counts = [count for count, of in shapes if of == frames]
        assert max(counts) - min(counts) <= 3


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 3.0, 8.0, 64.0])
@pytest.mark.parametrize("cap", [130.0, 320.0])
def test_a_step_holds_its_nominal_audio_on_average_at_every_kappa(scale: float, cap: float) -> None:
    """Within half a per cent: else κ is not what the rules take it for."""
    batch = dataclasses.replace(Config().batch, base_seconds=290.0, unit_seconds=cap)
    plan = Plan(dataclasses.replace(Config(), batch=batch, batch_scale=scale))
    cut = plan.at(1e9)
    for micro in (cut.whole, cut.labeled, cut.unlabeled):
        batches = plan_epoch(LENGTHS, Grid(micro.seconds, cap, multiple=24), 0.02, seed=1, epoch=0)
        if micro.seconds < 2 * LENGTHS.max():
            # Fewer than two of the longest utterances cannot be balanced.
            continue
        # The last one holds what is left.
        held = LENGTHS.sum() - min(LENGTHS[b.rows].sum() for b in batches)
        assert held / (len(batches) - 1) == pytest.approx(micro.seconds, rel=0.005)


def test_a_batch_holds_its_longest_utterance_and_stays_under_the_cap() -> None:
    for batch in plan_epoch(LENGTHS, Grid(60.0, 62.0), 0.1, seed=3, epoch=2):
        assert LENGTHS[batch.rows].max() <= batch.frames * 0.01 + 1e-9
        assert len(batch.rows) == 1 or len(batch.rows) * batch.frames * 0.01 <= 62.0 + 1e-9


def test_the_plan_is_a_pure_function_of_seed_and_epoch() -> None:
    def rows(seed: int, epoch: int) -> list[list[int]]:
        return [b.rows.tolist() for b in plan_epoch(LENGTHS, Grid(60.0, 90.0), 0.02, seed, epoch)]

    assert rows(1, 0) == rows(1, 0)
    assert rows(1, 0) != rows(1, 1)
    assert rows(1, 0) != rows(2, 0)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 64, 65, 1000])
def test_places_are_shuffled_one_by_one_as_all_at_once(rows: int) -> None:
    whole = shuffled(np.arange(rows), rows, (1, 2))
    assert sorted(whole.tolist()) == list(range(rows))
    assert [int(shuffled(np.array([place]), rows, (1, 2))[0]) for place in range(rows)] == whole.tolist()


def test_an_epoch_of_many_utterances_is_planned_in_parts_that_differ_from_pass_to_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asr.data.batching.MOST_ROWS", 1500)
    stream = Stream(LENGTHS, Grid(60.0, 90.0), 0.02, seed=1)
    parts: list[list[int]] = [[] for _ in range(7)]
    while stream.epoch < 6:
        position = stream.next()
        parts[position[0]] += stream.at(position).rows.tolist()
    for turn in (parts[:3], parts[3:6]):
        assert sorted(row for part in turn for row in part) == list(range(len(LENGTHS)))
        assert max(map(len, turn)) - min(map(len, turn)) <= 1
    # A third of them would come together again by chance.
    assert len(set(parts[0]) & set(parts[3])) == pytest.approx(len(parts[0]) / 3, rel=0.15)
    # Whatever is alike because it stands together in the file is spread over all parts.
    assert sum(row < 400 for row in parts[0]) == pytest.approx(400 / 3, rel=0.25)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200), st.integers(1, 7))
def test_a_stream_goes_on_from_any_position(taken: int, count: int) -> None:
    grid = Grid(60.0, 90.0)
    lengths = LENGTHS[:300]
    whole = Stream(lengths, grid, 0.02, seed=5)
    whole.take(taken)
    resumed = Stream(lengths, grid, 0.02, seed=5)
    resumed.seek(whole.epoch, whole.offset)
    expected, found = whole.take(count), resumed.take(count)
    assert [b.rows.tolist() for b in expected] == [b.rows.tolist() for b in found]
    assert (whole.epoch, whole.offset) == (resumed.epoch, resumed.offset)


@given(st.integers(1, 9), st.integers(1, 20), st.lists(st.integers(1, 12), min_size=9, max_size=9), st.integers(1, 9))
def test_ranks_share_every_utterance_of_a_global_batch_out(
    count: int, world_size: int, sizes: list[int], room: int
) -> None:
    kinds = ["text", "now", "label"]
    batches = [(kinds[i % 3], MicroBatch(np.arange(size) + 100 * i, 48)) for i, size in enumerate(sizes[:count])]
    shares = [share_out(batches, rank, world_size, room * 48 + 10) for rank in range(world_size)]
    # As many passes of each kind, in the same order of kinds, on every rank.
    passes = [[batches[i][0] for i, _ in share] for share in shares]
    assert all(p == passes[0] and p for p in passes)
    for index, (_, batch) in enumerate(batches):
        found = [row for share in shares for i, part in share if i == index for row in part.rows.tolist()]
        assert sorted(found) == batch.rows.tolist()
        # Each knows where it stands in the whole, and none is more than a device takes.
        parts = [part for share in shares for i, part in share if i == index]
        assert all(
            batch.rows[part.places].tolist() == part.rows.tolist() and part.whole == len(batch.rows) for part in parts
        )
        assert max(len(part.rows) for part in parts) <= room


def test_an_utterance_longer_than_a_device_takes_is_named() -> None:
    with pytest.raises(UserError, match=r"'b' lasts 40.0 s.*max_device_seconds"):
        check_lengths(np.array([1.0, 40.0]), ["a", "b"], 30.0)
