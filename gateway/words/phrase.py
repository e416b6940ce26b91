"""A sentence in every language, and whom it is said to.

Phrases are constants of the modules beside this one, with all languages side by side: a phrase
that is missing is an unknown name and a language that is missing a missing argument, so the type
checker finds both, and a sentence is read and changed together with its translation. A catalogue
of keys in files (gettext, TOML) would find neither before it is looked up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, assert_never, get_args

Language = Literal["en", "de"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: their language, and what commands begin with where they write."""

    language: Language = "en"
    mark: str = "/"


def reader_of(language: str, mark: str = "/") -> Reader:
    """The reader of a row's language, which is empty for English."""
    return Reader(language=language_of(language) or "en", mark=mark)


ENGLISH: Final = Reader()


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A sentence with fields in braces; `{mark}` is what commands begin with."""

    en: str
    de: str

    def to(self, reader: Reader, **fields: object) -> str:
        """Say it to a reader; KeyError where a field is missing."""
        return self.form(reader.language).format_map({"mark": reader.mark, **fields})

    def of(self, **fields: object) -> "Line":
        """The sentence with its fields, to be said to somebody later."""
        return Line(phrase=self, fields=fields)

    def form(self, language: Language) -> str:
        """The sentence of a language, its fields still in braces."""
        match language:
            case "en":
                return self.en
            case "de":
                return self.de
            case unknown:
                assert_never(unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sentence that is not said yet; a field may be a line itself."""

    phrase: Phrase
    fields: Mapping[str, object]

    def to(self, reader: Reader) -> str:
        """Say it to a reader."""
        given = {name: _said(value, reader) for name, value in self.fields.items()}
        return self.phrase.to(reader, **given)


Told = str | Line
"""What somebody is told: words as they are, or a line in their language."""


def spoken(told: Told, reader: Reader) -> str:
    """What a reader reads."""
    return told.to(reader) if isinstance(told, Line) else told


def _said(value: object, reader: Reader) -> object:
    return value.to(reader) if isinstance(value, Line) else value


def language_of(locale: str | None) -> Language | None:
    """The language of a BCP 47 tag or an Accept-Language header, if it is one of ours."""
    for each in (locale or "").split(","):
        name = each.split(";")[0].strip().replace("_", "-").partition("-")[0].lower()
        found: Language | None = next((known for known in LANGUAGES if known == name), None)
        if found is not None:
            return found
    return None
