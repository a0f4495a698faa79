"""Which n-grams a model can do without.

Stolcke, "Entropy-based pruning of backoff language models" (DARPA Broadcast News workshop, 1998), with two differences
for Kneser-Ney smoothing (Chelba et al., "Study on interaction between entropy pruning and Kneser-Ney smoothing",
Interspeech 2010): how often a context occurs is counted, not computed from lower orders, and the caller estimates the
model again from what is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asr.decode.ngram_counts import BoolArray, Counts, FloatArray

LEAST = 1e-9
"""Probability that lower orders leave to words not seen after a context, at least: it divides."""


def worth_keeping(
    tables: Sequence[Counts],
    kept: Sequence[BoolArray],
    probabilities: Sequence[FloatArray],
    backoffs: Sequence[FloatArray],
    threshold: float,
) -> list[BoolArray]:
    """By order, those n-grams of `kept` without any of which perplexity would rise by a share of `threshold` or more.

    Args:
        tables: of all orders.
        kept: by order, n-grams of the model, `(rows,)`.
        probabilities: by order, of all n-grams.
        backoffs: by order, after all n-grams.
        threshold: such as 1e-7. Single words always stay.
    """
    # Sentences' ends are predicted, their beginnings are not.
    events = float(tables[0].count[~tables[0].begins].sum())
    worth = [kept[0].copy()]
    for n in range(1, len(tables)):
        context = tables[n].context
        with_it, without = probabilities[n], probabilities[n - 1][tables[n].suffix]
        seen = np.bincount(context, np.where(kept[n], without, 0.0), len(tables[n - 1].word))
        # Stolcke's equation 4: the backoff weight, and what it would be if one n-gram more were backed off to.
        denominator = np.maximum(1 - seen, LEAST)[context]
        backoff = backoffs[n - 1][context]
        unseen = backoff * denominator
        new_backoff = (unseen + with_it) / (denominator + without)
        # Equations 5 to 8: the relative entropy, and from it the change of perplexity.
        loss = with_it * np.log(with_it / (without * new_backoff)) - unseen * np.log(new_backoff / backoff)
        worth.append(kept[n] & (np.expm1(tables[n - 1].count[context] / events * loss) >= threshold))
    return worth


def keep_contexts(tables: Sequence[Counts], kept: Sequence[BoolArray]) -> None:
    """Keep also what kept n-grams begin with: it carries their backoff, and ARPA files need it."""
    for n in range(len(tables) - 1, 0, -1):
        kept[n - 1][tables[n].context[kept[n]]] = True
