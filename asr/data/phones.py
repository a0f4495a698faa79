"""Text as the sounds of its words: phones of a lexicon.

A folder of phones holds `phones.txt` in the order of ids, `lexicon.txt.gz`, and `generated.txt`: words of the labeled
text that the lexicon lacks, said by rule. Nothing else is needed to say any text.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asr.config import TokenConfig
from asr.data.lexicon import Lexicon, format_lexicon, read_lexicon
from asr.errors import UserError

BETWEEN = "|"
"""As phones are written, what stands between words where this is a token."""
SHOWN = 5
INVENTORY, LEXICON, GENERATED = "phones.txt", "lexicon.txt.gz", "generated.txt"


class PhoneTokenizer:
    """Id 0 is the blank; 1 the boundary between words, where there is one; the phones follow."""

    def __init__(self, phones: Sequence[str], lexicon: Lexicon, boundary: bool) -> None:
        self.lexicon, self.boundary = lexicon, boundary
        self.tokens = [BETWEEN, *phones] if boundary else list(phones)
        self._ids = {token: i for i, token in enumerate(self.tokens, 1)}

    @property
    def size(self) -> int:
        return len(self.tokens) + 1

    def encode(self, text: str) -> list[int]:
        """Every word as it is said first; words that cannot be said are passed over."""
        said = [pronunciations[0] for word in text.split() if (pronunciations := self.lexicon.say(word))]
        between = [BETWEEN] if self.boundary else []
        tokens = [token for phones in said for token in [*between, *phones]]
        return [self._ids[token] for token in tokens[len(between) :]]

    def decode(self, ids: Sequence[int]) -> str:
        """Phones with blanks between them."""
        return " ".join(self.tokens[i - 1] for i in ids if i)


def _show(words: Sequence[str]) -> str:
    return ", ".join(words[:SHOWN]) + (" …" if len(words) > SHOWN else "")


def build_phones(config: TokenConfig, texts: Sequence[str], out: Path) -> list[str]:
    """Write the inventory, the lexicon and what it lacks for these texts; returns what to tell the user.

    Raises:
        UserError: the lexicon cannot be read, has a phone named as the boundary, or can say none of the texts.
    """
    lexicon = Lexicon(read_lexicon(config.lexicon, config.stress))
    phones = sorted({phone for said in lexicon.words.values() for one in said for phone in one})
    if BETWEEN in phones:
        raise UserError(f"{config.lexicon}: a phone named {BETWEEN}, which stands between words here; rename it")
    counts = Counter(word for text in texts for word in text.split())
    silent = {word for word in counts if not lexicon.say(word)}
    if len(silent) == len(counts):
        raise UserError(f"{config.lexicon}: can say no word of the labeled text, such as {_show(sorted(silent))}")
    generated = {word: [phones] for word, phones in lexicon.generated.items() if phones}
    (out / INVENTORY).write_text("".join(f"{phone}\n" for phone in phones), encoding="utf-8")
    (out / LEXICON).write_bytes(gzip.compress(format_lexicon(lexicon.words).encode(), mtime=0))
    (out / GENERATED).write_text(format_lexicon(generated), encoding="utf-8")
    lines = []
    if generated:
        ruled = sum(n for word, n in counts.items() if lexicon.lacks(word) and word not in silent)
        lines.append(
            f"{len(generated)} words ({ruled / counts.total():.1%} of the text) are not in the lexicon and are said by "
            f"rule, as {out / GENERATED} lists: {_show(sorted(generated))}"
        )
    if silent:
        missing = sum(counts[word] for word in silent)
        lines.append(f"{missing} words of the text cannot be said and are left out: {_show(sorted(silent))}")
    return lines


def load_phones(folder: Path, boundary: bool) -> PhoneTokenizer:
    """What `build_phones` wrote. Raises OSError, UserError or ValueError where it is not whole."""
    phones = (folder / INVENTORY).read_text(encoding="utf-8").split("\n")[:-1]
    words = read_lexicon(str(folder / LEXICON), stress=True)
    known = (folder / GENERATED).read_text(encoding="utf-8").split("\n")[:-1]
    generated = {line.split()[0]: tuple(line.split()[1:]) for line in known}
    strange = {phone for said in (*words.values(), generated.values()) for one in said for phone in one} - {*phones}
    if strange:
        raise ValueError(f"{INVENTORY} lacks {_show(sorted(strange))}")
    return PhoneTokenizer(phones, Lexicon(words, generated), boundary)
