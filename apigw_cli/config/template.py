"""The grammar of `${…}` (docs/transformation.md): stage variables, filled in at load, and values of messages.

    template   = *( literal / escape / expression )
    escape     = "$${" / "${$}"                      ; a plain "${", a plain "$"
    expression = "${" name [ ":-" default ] "}"      ; neither has a "{" or "}"
    name       = variable / value                    ; a value's name begins with a word of `NAMES` and a dot

A template is *open* when its variables are filled in and values are left. It is then kept in one form: what is no
expression has its `${` escaped, so that neither a variable's text nor an escape is ever read as an expression.
Pure: what a value is, is for those to say who have a request (`policies/templates`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec import Meta

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
_ANY = r"[!-z|~]{1,200}"
POINTER = r"(/([^~/{}]|~[01])*)+"  # RFC 6901; not the empty one, which is the whole

EXPRESSION = re.compile(r"\$(\$(?=\{))|\$\{([^{}]*)\}")

# What may stand behind the first word of a value's name: as people read it, and as it is checked.
NAMES: dict[str, dict[str, str]] = {
    "request": {
        "method": "method",
        "host": "host",
        "path": "path",
        "ip": "ip",
        "id": "id",
        "path.NAME": rf"path\.{_ANY}",
        "query.NAME": rf"query\.{_ANY}",
        "header.NAME": rf"header\.{_TOKEN}",
        "cookie.NAME": rf"cookie\.{_TOKEN}",
        "body": "body",
        "body/POINTER": f"body{POINTER}",
    },
    "auth": {"principal": "principal", "plan": "plan", "claim.NAME": rf"claim\.{_ANY}"},
    "response": {
        "status": "status",
        "header.NAME": rf"header\.{_TOKEN}",
        "body": "body",
        "body/POINTER": f"body{POINTER}",
    },
}
_FITS = {word: re.compile("|".join(f"(?:{one})" for one in known.values())) for word, known in NAMES.items()}
_WORDS = tuple(f"{word}." for word in NAMES)


class Open(str):
    """Text with values left in it, in the form of the module's docstring. No other text may have any."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Value:
    """An expression for a value: `name` as written, `default` None where there is none."""

    name: str
    default: str | None = None


Part = str | Value


def takes(*words: str) -> Meta:
    """Marks text of a model (or of a whole tree, `Any`) as a template with values of these words."""
    return Meta(extra={"template": words})


def words_of(metas: Collection[object]) -> tuple[str, ...] | None:
    """What `takes` said of a type; None where it is no template."""
    for meta in metas:
        if isinstance(meta, Meta) and meta.extra and "template" in meta.extra:
            words: tuple[str, ...] = meta.extra["template"]
            return words
    return None


def is_value(name: str) -> bool:
    """Whether that names a value of a request or an answer, and no variable."""
    return name.startswith(_WORDS)


def split(inner: str) -> tuple[str, str | None]:
    """Name and default of what stands in an expression."""
    name, sign, default = inner.partition(":-")
    return name, default if sign else None


def escaped(text: str) -> str:
    """Text as a template that is that text."""
    return text.replace("${", "$${") if "${" in text else text


def closed(text: object) -> str:
    """The one form of a template, from text that variables have been filled in in."""
    return str(text) if isinstance(text, Open) else escaped(str(text))


def parts(template: str) -> tuple[Part, ...]:
    """Texts and values of a template in the one form; no two texts stand beside each other."""
    found: list[Part] = []
    text, at = "", 0
    for match in EXPRESSION.finditer(template):
        text += template[at : match.start()]
        at = match.end()
        if match[1] or match[2] == "$":
            text += "$"
            continue
        if text:
            found.append(text)
        text = ""
        found.append(Value(*split(match[2])))
    text += template[at:]
    return (*found, text) if text else tuple(found)


def values(template: str) -> list[Value]:
    """The values that stand in it."""
    return [part for part in parts(template) if isinstance(part, Value)]


def problem(value: Value, words: Collection[str]) -> tuple[str, str] | None:
    """What is wrong with a value's name where these words may be used, and a hint; None where nothing is."""
    word, _, rest = value.name.partition(".")
    if word not in words:
        known = ", ".join(f"{one}.…" for one in words)
        return f"${{{value.name}}} is not known here", f"values here begin with {known}"
    if _FITS[word].fullmatch(rest) is None:
        return f"there is no value ${{{value.name}}}", "known: " + ", ".join(f"{word}.{one}" for one in NAMES[word])
    return None


def all_names(words: Collection[str]) -> list[str]:
    """What may stand in an expression, as people read it."""
    return [f"{word}.{one}" for word in words for one in NAMES[word]]


def filled(text: str, variables: Mapping[str, object], missing: list[str]) -> object:
    """Text with its variables filled in: plain text, or `Open`. Names that nothing defines go into `missing`.

    Text that is one variable and nothing else takes the variable's own type.
    """
    whole = EXPRESSION.fullmatch(text)
    if whole and whole[2] is not None and split(whole[2])[0] in variables:
        return variables[split(whole[2])[0]]
    made, at, is_open = [], 0, False
    for match in EXPRESSION.finditer(text):
        made.append((text[at : match.start()], True))
        at = match.end()
        if match[1] or match[2] == "$":
            made.append(("$", True))
            continue
        name, default = split(match[2])
        if is_value(name):
            is_open = True
            made.append((match[0], False))
        elif name in variables:
            made.append((_text(variables[name]), True))
        elif default is not None:
            made.append((default, True))
        else:
            missing.append(name)
            made.append((match[0], True))
    made.append((text[at:], True))
    if not is_open:
        return "".join(one for one, _ in made)
    return Open(_joined(made))


def _joined(made: list[tuple[str, bool]]) -> str:
    """Literal texts are joined before they are escaped: `$` and `{` may come from two of them."""
    out, text = [], ""
    for one, is_literal in made:
        if is_literal:
            text += one
            continue
        plain = text.rstrip("$")  # a "$" before an expression would be read as its escape
        out += [escaped(plain), "${$}" * (len(text) - len(plain)), one]
        text = ""
    return "".join([*out, escaped(text)])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
