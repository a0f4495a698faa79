"""Words that a listener expects: hypotheses that spell them are worth more.

A phrase earns its bonus bit by bit while it is being spelled, so that it survives in a narrow beam, and gives back what
it has earned where the spelling goes another way. The phrases lie in one automaton of characters (Aho & Corasick,
"Efficient string matching", CACM 1975), whatever the tokens are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.data.symbols import BOUNDARY
from asr.errors import UserError


class Hotwords:
    """A state is what the text so far ends with, as far as it matters; a text begins in `start`.

    Phrases match whole words: CAT is not found in CATALOGUE. One that lies within another counts beside it.
    """

    def __init__(self, phrases: Sequence[str], score: float) -> None:
        """`score`, in nats, is what a whole phrase is worth. Raises UserError where a phrase is empty."""
        self._next: list[dict[str, int]] = [{}]
        self._credit, self._bonus = [0.0], [0.0]
        for phrase in sorted(set(phrases)):
            if not phrase.split():
                raise UserError(f"hotword {phrase!r}: is empty")
            self._insert(BOUNDARY + BOUNDARY.join(phrase.upper().split()) + BOUNDARY, score)
        self._link()
        self.start = self.step(0, BOUNDARY)[0]

    def _insert(self, spelling: str, score: float) -> None:
        node = 0
        for depth, character in enumerate(spelling, 1):
            if character not in self._next[node]:
                self._next[node][character] = len(self._next)
                self._next.append({})
                self._credit.append(0.0)
                self._bonus.append(0.0)
            node = self._next[node][character]
            # A boundary alone is no beginning of anything.
            self._credit[node] = max(self._credit[node], score * (depth - 1) / (len(spelling) - 1))
        self._bonus[node] = score

    def _link(self) -> None:
        """Where to go when a spelling goes no further: to the longest end of it that begins a phrase."""
        self._fall = [0] * len(self._next)
        queue = [0]
        for node in queue:
            for character, child in self._next[node].items():
                self._fall[child] = self._follow(self._fall[node], character) if node else 0
                queue.append(child)
        for node in queue:
            if self._bonus[node]:
                # What is whole is earned for good.
                self._credit[node] = 0.0
            self._bonus[node] += self._bonus[self._fall[node]]

    def _follow(self, state: int, character: str) -> int:
        while state and character not in self._next[state]:
            state = self._fall[state]
        return self._next[state].get(character, 0)

    def step(self, state: int, text: str) -> tuple[int, float]:
        """The state after more text (`BOUNDARY` between words), and what it earns."""
        earned = -self._credit[state]
        for character in text:
            state = self._follow(state, character)
            earned += self._bonus[state]
        return state, earned + self._credit[state]

    def finish(self, state: int) -> float:
        """What the end of the text earns: a phrase may end there; an unfinished one gives all back."""
        after, earned = self.step(state, BOUNDARY)
        return earned - self._credit[after]

    def table(self, symbols: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """`step` of every state with every token, `(states, tokens)` each; token 0, the blank, writes nothing."""
        shape = len(self._next), len(symbols)
        states, earned = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for state in range(len(self._next)):
            for token, symbol in enumerate(symbols):
                states[state, token], earned[state, token] = self.step(state, symbol.upper() if token else "")
        return states, earned

    def endings(self) -> npt.NDArray[np.float32]:
        """`finish` of every state, `(states,)`."""
        return np.array([self.finish(state) for state in range(len(self._next))], np.float32)
