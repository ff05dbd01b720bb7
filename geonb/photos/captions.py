"""Locations as text: the caption of SW-CLIP (arXiv 2604.04357, section on location-as-text)."""

from geonb import checks

PARTS = ("street", "city", "country", "coordinates")


def location_captions(lat_lon_deg, *, street=None, city=None, country=None, parts=PARTS, decimals=5):
    """Captions such as '[Street: s, City: c, Country: k. Lat: 51.50000, Lon: -0.12000.]' for positions (n, 2).

    parts: which of street, city, country and coordinates are said; decimals: of the degrees (5 are about a metre; the
    paper leaves the precision open, this is our choice). Names that are missing or empty are left out.
    """
    if not parts or set(parts) - set(PARTS):
        raise ValueError(f"a caption needs at least one part of {', '.join(PARTS)}, and has no others: {list(parts)}")
    checks.count("decimals", decimals, least=0, most=12, way_out="7 are about a centimetre")
    names = {"street": street, "city": city, "country": country}
    return [one_caption(*position, {k: v[i] for k, v in names.items() if k in parts and v is not None}, parts, decimals)
            for i, position in enumerate(lat_lon_deg)]  # fmt: skip


def one_caption(lat_deg, lon_deg, names, parts, decimals):
    """The caption of one place; names: what is said before the coordinates."""
    said = ", ".join(f"{part.capitalize()}: {name}" for part, name in names.items() if name)
    where = f"Lat: {lat_deg:.{decimals}f}, Lon: {lon_deg:.{decimals}f}." if "coordinates" in parts else ""
    return "[" + ". ".join(sentence for sentence in (said, where) if sentence) + "]"


def tokens(captions, tokenizer, context_length):
    """Token ids (n, context_length). ValueError when a caption does not fit: open_clip would cut off its longitude."""
    for caption in set(captions):
        length = len(tokenizer.encode(caption)) + 2  # and the start and end of text
        if length > context_length:
            raise ValueError(
                f"{caption!r} has {length} tokens, the text tower reads {context_length}: say fewer parts "
                f"(now possible: {', '.join(PARTS)}) or fewer decimals, or take a larger context_length if it has one"
            )
    return tokenizer(captions, context_length=context_length)
