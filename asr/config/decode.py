"""How probabilities become text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

USUAL_BEAM = 32
LM_BEAM = 300
"""With a language model: words of weak acoustic evidence are kept until it has seen what follows them."""
MOST_BEAM = 1000
"""Memory grows with the square of a beam: so wide a one takes 8 MB for each utterance of a batch."""


@dataclass(frozen=True)
class DecodeConfig:
    """How stage 4 turns probabilities into text. Training and its pseudo-labels go by `pseudo.search`."""

    decoder: Literal["greedy", "beam", "lm"] = "greedy"
    """greedy: the best path; beam: the best text, over all paths; lm: the same with a language model, which needs
    the extra `lm`."""
    beam: int | None = None
    """Hypotheses that are kept, at most `MOST_BEAM`. Empty: 32, or with a language model, which can choose only among
    what is kept, 300. beam and lm only, as all that follows."""
    tokens: int = 10
    """Of each frame only so many tokens, the likeliest, go into hypotheses."""
    lm: str = ""
    """ARPA file or KenLM binary; empty: made from the labeled text; librispeech-3gram-pruned, librispeech-4gram:
    LibriSpeech's own, which are downloaded with their lexicon."""
    lexicon: str = ""
    """File of the words that may be written, one a line; empty: those of the language model; none: whatever tokens
    spell, with a language model of tokens."""
    lm_weight: float | None = None
    """What the language model's log-probabilities are multiplied with; empty: what `kappa-asr tune` found."""
    word_score: float | None = None
    """Nats for every word of the lexicon: more of them make longer texts. Empty: what `kappa-asr tune` found."""
    blank_penalty: float | None = None
    """lm: nats by which the blank is lowered, for models that leave out what they are unsure of. Empty: what
    `kappa-asr tune` found."""
    hotwords: tuple[str, ...] = ()
    """Words or phrases that are expected: texts that have them are worth more."""
    hotword_score: float = 6.0
    """How much more, in nats for each."""

    @property
    def width(self) -> int:
        """Hypotheses that are kept."""
        if self.beam is not None:
            return self.beam
        return LM_BEAM if self.decoder == "lm" else USUAL_BEAM
