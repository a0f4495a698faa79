"""Sentences of the embedded corpus: a small grammar.

Sentences are parted into training and dev by their own hash, so no sentence can be in both, whatever is
drawn and in which order.
"""

from __future__ import annotations

import hashlib
import re

from data_prep.draws import Draws

_WORDS = {
    "name": "ANNA PETER MARY JOHN",
    "person": "FARMER KING TEACHER WOMAN CHILD BROTHER",
    "animal": "DOG SHEEP HORSE BIRD CAT",
    "thing": "BOOK SHIP BOX LETTER RING CHAIR LAMP STONE",
    "things": "BOOKS EGGS STONES BOATS",
    "place": "GARDEN RIVER MARKET HOUSE FOREST SCHOOL BRIDGE SEA",
    "quality": "OLD WHITE DARK SMALL GREEN NEW",
    "mood": "TIRED HAPPY LATE WRONG",
    "did": "FOUND LOST CARRIED BOUGHT SAW TOOK",
    "do": "FIND BRING WASH HIDE SEE TAKE",
    "went": "WALKED RAN SLEPT WAITED",
    "going": "WALKING SLEEPING SINGING WORKING",
    "by": "NEAR BEHIND UNDER PAST",
    "number": "TWO THREE FIVE SEVEN TEN",
    "food": "BREAD CHEESE MILK WATER",
    "weather": "RAIN WIND SUN",
    "whose": "MY HIS OUR THEIR THE THE THIS",
    "hasnt": "DIDN'T DON'T WON'T",
    "its": "IT'S THAT'S",
    "shes": "SHE'S HE'S THEY'RE",
    "ill": "I'LL WE'LL",
    "i": "I WE THEY",
}

_PHRASES = {
    "when": "TODAY, TONIGHT, AGAIN, EVERY MORNING, AT NIGHT, LAST WINTER",
    "who": "THE {person}, THE {quality} {person}, {name}, MY {person}",
    "what": "{whose} {thing}, {whose} {quality} {thing}, {number} {things}",
    "someones": "THE FARMER'S, ANNA'S",
    "isnt": "ISN'T, WAS, IS NEVER",
}

_SLOTS = {
    **{slot: tuple(words.split()) for slot, words in _WORDS.items()},
    **{slot: tuple(" ".join(p.split()) for p in phrases.split(",")) for slot, phrases in _PHRASES.items()},
}

_PATTERNS: tuple[str, ...] = (
    "{who} {did} {what}",
    "{who} {did} {what} {when}",
    "{who} {did} {someones} {thing}",
    "{who} {did} THE {thing} AND THE {thing}",
    "{who} {went} {by} THE {place}",
    "{who} {went} {by} THE {quality} {place} {when}",
    "{who} AND {name} {went} TO THE {place}",
    "{i} {hasnt} {do} {what}",
    "{i} {hasnt} {do} THE {animal} OR THE {animal}",
    "{shes} {going} {by} THE {place}",
    "{shes} {mood} AND {mood} {when}",
    "{ill} {do} {what} TOMORROW",
    "{ill} {do} THE {animal} IN THE {place}",
    "{its} A {thing} {by} THE {place}",
    "{its} NOT {whose} {thing}",
    "THE {animal} {isnt} {mood} {when}",
    "THE {quality} {animal} {isnt} {by} THE {place}",
    "{number} {things} FELL INTO THE {place}",
    "{number} {things} WERE {by} THE {place}",
    "WE HAVE {food} AND {food} BUT NO {food}",
    "THE {weather} AND THE {weather} CAME {when}",
    "DID {name} {do} {what}?",
    "WHERE IS {someones} {quality} {thing}?",
    "PLEASE {do} {what} FOR {name}",
    "THERE WERE {number} {things} ON THE {thing}",
    "{name} SAID THAT {shes} {going} {when}",
)

_SLOT = re.compile(r"\{(\w+)\}")


def words_of(sentence: str) -> str:
    """The transcript of a sentence: its words without punctuation."""
    return sentence.rstrip("?")


def is_dev_sentence(sentence: str) -> bool:
    """Whether a sentence belongs to the eighth of all sentences that training never hears."""
    return hashlib.sha256(words_of(sentence).encode()).digest()[0] % 8 == 0


def _draw_sentence(draws: Draws) -> str:
    sentence = draws.choice(_PATTERNS)
    while (match := _SLOT.search(sentence)) is not None:
        sentence = sentence[: match.start()] + draws.choice(_SLOTS[match[1]]) + sentence[match.end() :]
    return sentence


def draw_sentence(draws: Draws, *, dev: bool) -> str:
    """A sentence of 3 to 9 upper-case words; a question ends in `?`, anything else without punctuation."""
    while True:
        sentence = _draw_sentence(draws)
        if 3 <= len(sentence.split()) <= 9 and is_dev_sentence(sentence) == dev:
            return sentence


def vocabulary() -> frozenset[str]:
    """Every word that a sentence can contain."""
    texts = (*_PATTERNS, *(option for options in _SLOTS.values() for option in options))
    return frozenset(word for text in texts for word in _SLOT.sub(" ", words_of(text)).split())
