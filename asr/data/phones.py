"""Text as the sounds of its words: phones of a lexicon.

A folder of phones holds `phones.txt` in the order of ids, `lexicon.txt.gz`, and `generated.txt`: words of the
corpus that the lexicon lacks, said by rule. Nothing else is needed to say any text.
"""

from __future__ import annotations

import gzip
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from asr.config import TokenConfig
from asr.data.lexicon import Lexicon
from asr.data.pronunciations import format_lexicon, has_phones, has_stress, read_lexicon
from asr.data.symbols import BLANK_SYMBOL, BOUNDARY
from asr.errors import UserError

SHOWN = 5
INVENTORY, LEXICON, GENERATED = "phones.txt", "lexicon.txt.gz", "generated.txt"


class PhoneTokenizer:
    """Id 0 is the blank; 1 the boundary between words, where there is one; the phones follow."""

    writes_words = False

    def __init__(self, phones: Sequence[str], open_lexicon: Callable[[], Lexicon], boundary: bool, cased: bool) -> None:
        """
        Args:
            phones: in the order of their ids.
            open_lexicon: reads what text is said with, where there is any to be said.
            boundary: whether there is a token between words.
            cased: whether words are written in the case that they have, and not in upper case.
        """
        self._open_lexicon, self._cased = open_lexicon, cased
        self.boundary = 1 if boundary else None
        # Written with blanks between them, as words are.
        self.symbols = [BLANK_SYMBOL, *[BOUNDARY] * boundary, *(BOUNDARY + phone for phone in phones)]
        self.size = len(self.symbols)
        self._phones = ["", *[""] * boundary, *phones]
        self._ids = {phone: i for i, phone in enumerate(phones, 1 + boundary)}

    @cached_property
    def lexicon(self) -> Lexicon:
        """Raises UserError where it cannot be read, or is not of these phones."""
        lexicon = self._open_lexicon()
        ways = (*lexicon.words.values(), lexicon.generated.values())
        strange = {phone for said in ways for one in said for phone in one} - self._ids.keys()
        if strange:
            raise UserError(f"{INVENTORY} lacks {_show(sorted(strange))}, which {LEXICON} has; run stage 2 again")
        return lexicon

    def encode(self, text: str) -> list[int]:
        """Every word as it is said first; words that cannot be said are passed over."""
        between = [] if self.boundary is None else [self.boundary]
        said = [ways[0] for word in text.split() if (ways := self.lexicon.say(word))]
        ids = [i for phones in said for i in (*between, *(self._ids[phone] for phone in phones))]
        return ids[len(between) :]

    def decode(self, ids: Sequence[int]) -> str:
        """Phones with blanks between them."""
        return " ".join(filter(None, (self._phones[i] for i in ids)))

    def unknown(self, text: str) -> list[str]:
        """Words that are passed over."""
        return [word for word in text.split() if not self.lexicon.can_say(word)]

    def write(self, word: str) -> str | None:
        if not self.lexicon.can_say(word):
            return None
        return unicodedata.normalize("NFC", word if self._cased else word.upper())

    def spell(self, words: Sequence[str]) -> list[list[list[int]]]:
        self.lexicon.prepare(words)
        return [[[self._ids[phone] for phone in phones] for phones in self.lexicon.say(word)] for word in words]

    def learn(self, source: Path) -> None:
        """Take up how else words are said, from a lexicon for decoding; one of words alone says nothing of that.

        Raises:
            UserError: it cannot be read, or has phones that the model was not trained with.
        """
        if not has_phones(source):
            return
        for word, said in read_lexicon(str(source), stress=has_stress(self._ids)).items():
            strange = {phone for phones in said for phone in phones} - self._ids.keys()
            if strange:
                raise UserError(f"{source}: {word} has {_show(sorted(strange))}, none of the phones of the model")
            self.lexicon.words[word] = list(dict.fromkeys([*self.lexicon.words.get(word, []), *said]))

    def list_pronunciations(self, words: Sequence[str]) -> bytes:
        """A gzipped lexicon of these words, as `learn` takes it: nothing in it has to be said by rule again."""
        self.lexicon.prepare(words)
        said = {word: ways for word in words if (ways := self.lexicon.say(word))}
        return gzip.compress(format_lexicon(said).encode(), mtime=0)


def _show(words: Sequence[str]) -> str:
    return ", ".join(words[:SHOWN]) + (" …" if len(words) > SHOWN else "")


def build_phones(config: TokenConfig, texts: Sequence[str], out: Path, others: Sequence[str] = ()) -> list[str]:
    """Write the inventory, the lexicon and what it lacks for these and other texts; returns what to tell the user.

    Raises:
        UserError: the lexicon cannot be read, has a phone that cannot be written, or can say none of the texts.
    """
    lexicon = Lexicon(read_lexicon(config.lexicon, config.stress))
    phones = sorted({phone for said in lexicon.words.values() for one in said for phone in one})
    odd = [phone for phone in phones if BOUNDARY in phone]
    if odd:
        raise UserError(f"{config.lexicon}: {BOUNDARY} stands where words begin, and {_show(odd)} has it; rename it")
    counts = Counter(word for text in texts for word in text.split())
    lexicon.prepare([*counts, *(word for text in others for word in text.split())])
    silent = {word for word in counts if not lexicon.can_say(word)}
    if len(silent) == len(counts):
        raise UserError(f"{config.lexicon}: can say no word of the labeled text, such as {_show(sorted(silent))}")
    generated = {word: [phones] for word, phones in lexicon.generated.items()}
    (out / INVENTORY).write_text("".join(f"{phone}\n" for phone in phones), encoding="utf-8")
    (out / LEXICON).write_bytes(gzip.compress(format_lexicon(lexicon.words).encode(), mtime=0))
    (out / GENERATED).write_text(format_lexicon(generated), encoding="utf-8")
    ruled = Counter({word: n for word, n in counts.items() if lexicon.lacks(word) and word not in silent})
    if not ruled:
        return []
    return [
        f"{len(ruled)} words ({ruled.total() / counts.total():.1%} of the text) are not in the lexicon and are said by "
        f"rule, as {out / GENERATED} lists: {_show(sorted(ruled))}"
    ]


def load_phones(folder: Path, boundary: bool, cased: bool) -> PhoneTokenizer:
    """What `build_phones` wrote. Raises OSError or ValueError where it is not whole."""
    phones = (folder / INVENTORY).read_text(encoding="utf-8").split("\n")[:-1]
    known = (folder / GENERATED).read_text(encoding="utf-8").split("\n")[:-1]
    generated = {line.split(" ")[0]: tuple(line.split(" ")[1:]) for line in known}
    (folder / LEXICON).stat()
    # A second or two, which those who only read ids have no use for.
    return PhoneTokenizer(
        phones, lambda: Lexicon(read_lexicon(str(folder / LEXICON), stress=True), generated), boundary, cased
    )
