"""The model, and what it hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asr.schedule import Schedule


@dataclass(frozen=True)
class FeatureConfig:
    mels: int = 80
    """Mel bands, from 20 Hz to 8 kHz."""
    window_ms: float = 25.0
    """Audio in a feature frame, in milliseconds."""
    shift_ms: float = 10.0
    """From one feature frame to the next, in milliseconds."""


@dataclass(frozen=True)
class SpecAugmentConfig:
    frequency_masks: int = 2
    """Frequency masks of each utterance; 0: none."""
    frequency_width: int = 30
    """Widest frequency mask, in mel bands."""
    time_masks: int = 10
    """Time masks of each utterance; 0: none."""
    time_width: int = 50
    """Widest time mask, in feature frames."""
    time_share: float = 0.1
    """Widest time mask as a share of the utterance."""
    frequency_warp: float = 0.0
    """Largest relative stretch of the frequency axis (vocal tract length perturbation), such as 0.1; 0: none."""
    time_stretch: float = 0.0
    """Largest relative change of a micro-batch's speed, such as 0.1; 0: none."""
    noise: float = 0.0
    """Share of utterances that are heard through steady noise."""
    echo: float = 0.0
    """Share of utterances that are heard in a room that echoes."""
    start_hours: float = 0.0
    """Until here the student hears audio as it is: no masks, and none of the changes above."""


@dataclass(frozen=True)
class ModelConfig:
    layers: int = 4
    """Transformer blocks."""
    width: int = 192
    """Channels of what blocks add to; a multiple of twice `heads`."""
    heads: int = 4
    """Of attention, in each block."""
    proxy_head_width: int | None = None
    """Width of a head (width / heads) in the model that settings were tuned on: attention is scaled by its root over a
    head's own width, not by one over the root of that (μP). Empty: by one over the root, as is usual."""
    feedforward: int = 768
    """Channels in the middle of a feed-forward layer."""
    kernel: int = 7
    """Width of the convolution in front, in feature frames, odd."""
    stride: int = 3
    """Feature frames per encoder frame."""
    convolution: int = 0
    """Width of the depthwise convolution in each block, in encoder frames, odd; 0: no convolution."""
    half_rate: int = 0
    """So many blocks, those in the middle, take the mean of every two frames: half the cost, and wider context."""
    intermediate: tuple[int, ...] = ()
    """A CTC loss is also taken after so many blocks (Lee and Watanabe, ICASSP 2021), by the same head; none inside
    those of half rate."""
    norm: Literal["pre", "post"] = "pre"
    """pre: layers read what is normalised, and their sum goes on as it is; post: the sum is normalised after each."""
    positions: Literal["rotary", "cape"] = "rotary"
    """rotary: queries and keys are turned by their frame (RoPE); cape: sinusoids that are shifted in training are
    added in front (Likhomanenko et al., NeurIPS 2021)."""
    dropout: Schedule = 0.0
    """Share of what each layer makes that is zeroed in training."""
    layerdrop: Schedule = 0.0
    """Probability of skipping a whole block in training."""
    init: str = ""
    """A run, a checkpoint or an exported folder whose model student and teacher start from; empty: from chance. Of one
    without text, or with other tokens than this run's, all but the head."""

    @property
    def slow_blocks(self) -> range:
        """The blocks that run at half the frame rate, by index."""
        first = (self.layers - self.half_rate + 1) // 2
        return range(first, first + self.half_rate)
