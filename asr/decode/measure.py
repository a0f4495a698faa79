"""What recognised texts are held against: words, or phones where a search writes phones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asr.data.phones import PhoneTokenizer
from asr.data.tokens import Tokenizer
from asr.score.nearest import nearest_phones
from asr.score.rates import RateName
from asr.score.table import score_texts
from asr.score.wer import ErrorCounts, add_counts, count_errors


class Measure:
    """Errors in phones are those against the nearest way to say the reference, word by word, as the lexicon has it.

    Words that no phones are known for are not counted, nor are boundaries between words.
    """

    def __init__(self, tokenizer: Tokenizer, by_lexicon: bool = False) -> None:
        """`by_lexicon`: texts are words of a lexicon, whatever the tokens are."""
        self._lexicon = tokenizer.lexicon if isinstance(tokenizer, PhoneTokenizer) and not by_lexicon else None
        self.rate: RateName = "wer" if self._lexicon is None else "per"

    def references(self, said: Sequence[str], heard: Sequence[str]) -> list[str]:
        """What each text is compared with, words or phones with blanks between them."""
        if self._lexicon is None:
            return list(said)
        self._lexicon.prepare(word for text in said for word in text.split())
        ways = [[w for word in text.split() if (w := self._lexicon.say(word))] for text in said]
        return [" ".join(nearest_phones(own, text.split())) for own, text in zip(ways, heard, strict=True)]

    def errors(self, said: Sequence[str], heard: Sequence[str]) -> ErrorCounts:
        """In words or phones, of all texts together."""
        return add_counts(count_errors(self.references(said, heard), heard, "word"))

    def score(self, said: Sequence[str], heard: Sequence[str], speakers: Sequence[str]) -> dict[str, Any]:
        """As `score_texts` has it; for phones `per` stands for `wer` and `phones` for `words`, and there is no CER."""
        found = score_texts(self.references(said, heard), heard, speakers)
        if self.rate == "wer":
            return found
        return {k.replace("wer", "per").replace("words", "phones"): v for k, v in found.items() if k != "cer"}

    def rates(self, said: Sequence[str], heard: Sequence[str]) -> dict[str, float]:
        """By name, `wer` and `cer` or `per`, of all texts together."""
        found = {str(self.rate): self.errors(said, heard).rate}
        if self.rate == "wer":
            found["cer"] = add_counts(count_errors(said, heard, "char")).rate
        return found
