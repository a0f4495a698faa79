import hashlib
import sys
import typing
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr.config import NormaliserName
from asr.errors import UserError
from asr.text.normaliser import DEFAULT, NORMALISERS, VERSION, find_normaliser

ENGLISH = [
    ("MISTER QUILTER'S MANNER", "MISTER QUILTER'S MANNER"),
    ("Mister Quilter’s, manner!", "MISTER QUILTER'S MANNER"),
    ("said—and", "SAID AND"),
    ("well-known", "WELL KNOWN"),
    ("don’t", "DON'T"),
    ("and/or e.g. 3.14", "AND OR E G 3 14"),
    ("“one thousand”—1,000 dogs' 'tis", "ONE THOUSAND 1 000 DOGS' 'TIS"),
    ("a ' b  '' c_d", "A B C D"),
    ("‘Hello there,’ he said, ‘don’t.’", "HELLO THERE HE SAID DON'T"),
    ("'hello' ``there'' `you'", "HELLO THERE YOU"),
    ("i <unk> said <UNK> <NOISE> [unk] it [he]", "I SAID IT HE"),
    ("a < b and c > d", "A B AND C D"),
    ("soft\u00adhyphen \ufeffbom", "SOFTHYPHEN BOM"),
    ("ﬁne Ｆｕｌｌ", "FINE FULL"),
    ("", ""),
    (" ’ — ", ""),
]


def test_whoever_changes_a_normaliser_raises_the_version() -> None:
    """Manifests made before would else be taken for those of the new one. Raise it, and write both down here."""
    names: list[NormaliserName] = ["upper", "cased", "librispeech", "lowercase", "none"]
    made = "\n".join(find_normaliser(name)(text) for name in names for text, *_ in (*ENGLISH, *SCRIPTS))
    assert (VERSION, hashlib.sha256(made.encode()).hexdigest()[:16]) == (2, "0461a46efa5cbf63")


@pytest.mark.parametrize("name", ["upper", "librispeech"])
@pytest.mark.parametrize(("text", "expected"), ENGLISH)
def test_punctuated_texts_become_like_librispeechs(name: NormaliserName, text: str, expected: str) -> None:
    assert find_normaliser(name)(text) == expected


SCRIPTS = [
    ("café œuvre Ångström", "CAFÉ ŒUVRE ÅNGSTRÖM", "CAFE OEUVRE ANGSTROM"),
    ("Tiếng Việt, rất hay!", "TIẾNG VIỆT RẤT HAY", "TIENG VIET RAT HAY"),
    ("straße", "STRASSE", "STRASSE"),
    ("ёлка, йод", "ЁЛКА ЙОД", "ЁЛКА ЙОД"),
    ("मैं हिन्दी लिखता हूँ।", "मैं हिन्दी लिखता हूँ", "मैं हिन्दी लिखता हूँ"),
    ("أهلاً، كيف حالك؟", "أهلاً كيف حالك", "أهلاً كيف حالك"),
    ("می‌شود", "می‌شود", "می‌شود"),
    ("我们说中文。", "我们说中文", "我们说中文"),
    ("น้ำ ไทย", "น้ำ ไทย", "น้ำ ไทย"),
    ("한국어, 좋아요", "한국어 좋아요", "한국어 좋아요"),
    ("ok 👍🏽 ❤️ fine", "OK FINE", "OK FINE"),
]


@pytest.mark.parametrize(("text", "kept", "folded"), SCRIPTS)
def test_any_script_survives_and_accents_fold_on_demand_alone(text: str, kept: str, folded: str) -> None:
    for form in ("NFC", "NFD"):
        typed = unicodedata.normalize(typing.cast(typing.Literal["NFC", "NFD"], form), text)
        assert find_normaliser("upper")(typed) == unicodedata.normalize("NFC", kept)
        assert find_normaliser("librispeech")(typed) == unicodedata.normalize("NFC", folded)


def test_case_stays_on_demand() -> None:
    assert find_normaliser("cased")("Straße, bitte — don’t!") == "Straße bitte don't"


@pytest.mark.parametrize("name", ["upper", "cased", "librispeech"])
@given(st.text() | st.text(st.sampled_from("aé’‘'`-<unk> ŉßΐ\u0301\u200d\ufe0f")))
@example("ŉ")
@example("'‘a’'")
@example("ΐ <<a>>")
def test_what_is_cleaned_is_left_as_it_is(name: NormaliserName, text: str) -> None:
    normalise = find_normaliser(name)
    once = normalise(text)
    assert normalise(once) == once
    assert once == " ".join(once.split())
    assert all(any(map(str.isalnum, word)) for word in once.split())


def test_none_and_lowercase_do_what_they_say() -> None:
    assert find_normaliser("none")("A, b") == "A, b"
    assert find_normaliser("lowercase")("A, É") == "a, é"


def test_every_normaliser_that_settings_may_name_is_there() -> None:
    assert set(NORMALISERS) == set(typing.get_args(NormaliserName))
    assert DEFAULT in NORMALISERS


def test_whisper_writes_numbers_and_spelling_alike() -> None:
    pytest.importorskip("whisper_normalizer")
    assert find_normaliser("whisper-english")("It's twenty-one colours, uh") == "it is 21 colors"


@pytest.mark.parametrize("text", ["zero one", "one dollar", "1%", "three point one", "minus two", "it is $1.50"])
def test_whispers_leaves_what_it_gave(text: str) -> None:
    pytest.importorskip("whisper_normalizer")
    normalise = find_normaliser("whisper-english")
    assert normalise(normalise(text)) == normalise(text) == " ".join(normalise(text).split()) != ""


def test_without_whispers_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(UserError, match=r"pip install 'kappa-asr\[whisper\]'"):
        find_normaliser("whisper-english")
