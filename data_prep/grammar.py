"""Sentences of the embedded corpus: a small grammar of a few hundred words.

Sentences are parted into training and dev by their own hash, so no sentence can be in both, whatever is
drawn and in which order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from data_prep.draws import Draws

_WORDS = {
    "name": "ANNA PETER MARY JOHN ALICE HENRY",
    "person": """FARMER SAILOR BAKER TEACHER DOCTOR CAPTAIN
        QUEEN KING KNIGHT BOY GIRL WOMAN MAN CHILD UNCLE BROTHER SISTER""",
    "animal": "DOG CAT HORSE GOAT SHEEP BEAR FOX BIRD MOUSE",
    "thing": """BOAT COAT SHIP LAMP BOOK BOX LETTER KEY CUP PEN PAN PIN ROPE CHAIR TABLE
        CLOCK BELL BALL RING BAT BAG FLOWER STONE HAT""",
    "things": "BOATS COATS BOOKS LETTERS BELLS STONES EGGS WEEKS",
    "place": """HOUSE GARDEN RIVER BRIDGE HARBOR MARKET FOREST MOUNTAIN VILLAGE SCHOOL
        KITCHEN ROAD BEACH FARM SEA WALL WELL HILL""",
    "quality": """OLD TALL SMALL BROWN WHITE BLACK GREEN RED BLUE HEAVY QUIET
        COLD WARM DARK WET DRY NEW""",
    "mood": "TIRED HAPPY ANGRY WEAK LATE RIGHT WRONG SAD",
    "did": """CARRIED FOUND LOST BOUGHT SOLD DROPPED HID TOOK BROUGHT KEPT SAW WANTED WASHED
        FORGOT KNEW WON""",
    "do": """CARRY FIND LOSE BUY SELL DROP HIDE TAKE BRING KEEP SEE WANT WASH FORGET
        KNOW HEAR""",
    "went": "WALKED RAN SLEPT WAITED SANG STOOD FELL SAT WORKED",
    "going": "WALKING RUNNING SLEEPING WAITING SINGING SITTING WORKING",
    "by": "NEAR BEHIND UNDER BESIDE THROUGH PAST",
    "number": "TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN",
    "food": "BREAD CHEESE MEAT MILK FLOUR SALT WATER",
    "weather": "RAIN SNOW WIND SUN STORM",
    "whose": "MY YOUR HIS HER OUR THEIR THE THE THIS THAT",
    "hasnt": "DIDN'T COULDN'T WOULDN'T DON'T CAN'T WON'T",
    "its": "IT'S THAT'S THERE'S HERE'S",
    "shes": "SHE'S HE'S THEY'RE WE'RE YOU'RE I'M",
    "ill": "I'LL WE'LL YOU'LL THEY'LL",
    "i": "I WE YOU THEY",
}

_PHRASES = {
    "when": """TODAY, TONIGHT, YESTERDAY, AGAIN, EVERY MORNING, IN THE EVENING, AT NIGHT, AT NOON,
        LAST WINTER, THIS SUMMER, BEFORE DAWN, AFTER DINNER, LAST WEEK""",
    "who": "THE {person}, THE {quality} {person}, {name}, MY {person}, THE {person}",
    "what": "{whose} {thing}, {whose} {quality} {thing}, THE {thing}, {number} {things}",
    "someones": "THE FARMER'S, THE KING'S, THE QUEEN'S, ANNA'S, PETER'S",
    "isnt": "ISN'T, WASN'T, IS, WAS, IS NEVER, WAS TOO",
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
    "{i} {hasnt} {do} {someones} {quality} {thing}",
    "{i} {hasnt} {do} THE {animal} OR THE {animal}",
    "{shes} {going} {by} THE {place}",
    "{shes} {mood} {when}",
    "{shes} {mood} AND {mood} {when}",
    "{ill} {do} {what} TOMORROW",
    "{ill} {do} THE {animal} IN THE {place} SOON",
    "LET'S {do} THE {thing} FROM THE {place}",
    "{its} A {thing} {by} THE {place}",
    "{its} NOT {whose} {thing}",
    "THE {animal} {isnt} {mood} {when}",
    "THE {quality} {animal} {isnt} {by} THE {place}",
    "THE {animal} {went} {by} {someones} {place}",
    "{number} {things} FELL INTO THE {place}",
    "{number} {things} WERE {by} THE {place}",
    "{name} ATE THE {food} WITH {food} AND {food}",
    "{who} SOLD {food} FOR {number} {things}",
    "WE HAVE {food} BUT NO {food} HERE",
    "THE {weather} CAME OVER THE {place} {when}",
    "THE {weather} AND THE {weather} WERE HERE {when}",
    "DID {name} {do} {what}?",
    "WHERE IS {someones} {quality} {thing}?",
    "WHO {did} {whose} {thing} {when}?",
    "WHY DON'T THEY {do} THEIR {thing}?",
    "PLEASE {do} {what} FOR {name}",
    "THERE WERE {number} {things} ON THE {thing}",
    "IT'S {number} O'CLOCK IN THE {place}",
    "{name} SAID THAT {shes} {going} {when}",
    "{who} GAVE {name} {what}",
    "{who} WRITES TO {name} {when}",
    "MEET {name} {by} THE {place} AT {number} O'CLOCK",
    "THE {thing} IS {by} THE {thing} AND ITS {thing}",
    "ONE {animal} AND {number} {things} STOOD THERE",
)

_SLOT = re.compile(r"\{(\w+)\}")


def words_of(sentence: str) -> str:
    """The transcript of a sentence: its words without punctuation."""
    return sentence.rstrip("?")


def is_dev_sentence(sentence: str) -> bool:
    """Whether a sentence belongs to the eighth of all sentences that training never hears."""
    return hashlib.sha256(words_of(sentence).encode()).digest()[0] % 8 == 0


def _choose(draws: Draws, options: Sequence[str]) -> str:
    # The smaller of two draws: as in any language, some words are common and some rare.
    return options[min(draws.below(len(options)), draws.below(len(options)))]


def _draw_sentence(draws: Draws) -> str:
    sentence = _choose(draws, _PATTERNS)
    while (match := _SLOT.search(sentence)) is not None:
        sentence = sentence[: match.start()] + _choose(draws, _SLOTS[match[1]]) + sentence[match.end() :]
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
