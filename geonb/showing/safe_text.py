"""Text from data, made safe for what reads it: HTML, Markdown, mathematics, a template engine.

File names, captions, streets, cities and names of towers come from people. None of it may act as code or as markup.
"""

import unicodedata

PLAIN = frozenset(" ,.:;/()-…·")  # beside letters and digits: no reader takes these for markup
UNSHOWABLE = "\N{REPLACEMENT CHARACTER}"


def safe_html(text, at_most=None):
    """Text as HTML that shows it as it is, whoever reads it on the way; cut to at_most characters, the last one '…'.

    Every other character than letters, digits and PLAIN becomes a numeric reference such as &#123;. HTML and Markdown
    show the character, but neither they nor MathJax nor Jinja (folium and branca render their own output again as a
    template) take it for syntax. Control characters and lone surrogates, which HTML cannot hold, become U+FFFD.
    """
    text = str(text)
    if at_most is not None and len(text) > at_most:
        text = text[: at_most - 1] + "…"
    return "".join(map(_reference, text))


def _reference(character):
    if character.isalnum() or character in PLAIN:
        return character
    if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n":
        return UNSHOWABLE
    return f"&#{ord(character)};"
