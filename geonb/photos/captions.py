"""Locations as text: the caption of SW-CLIP (arXiv 2604.04357, section on location-as-text)."""

PARTS = ("street", "city", "country", "coordinates")


def location_captions(lat_lon_deg, *, street=None, city=None, country=None, parts=PARTS):
    """Captions such as '[Street: s, City: c, Country: k. Lat: 51.50000, Lon: -0.12000.]' for positions (n, 2).

    parts: which of PARTS; names that are missing or empty are left out. Five decimals of a degree are about a metre.
    """
    if not parts or set(parts) - set(PARTS):
        raise ValueError(f"a caption needs at least one part of {', '.join(PARTS)}, and has no others: {list(parts)}")
    given = {"street": street, "city": city, "country": country}
    given = {part: names for part, names in given.items() if part in parts and names is not None}
    captions = []
    for n, (lat_deg, lon_deg) in enumerate(lat_lon_deg):
        said = ", ".join(f"{part.capitalize()}: {names[n]}" for part, names in given.items() if names[n])
        where = f"Lat: {lat_deg:.5f}, Lon: {lon_deg:.5f}." if "coordinates" in parts else ""
        captions.append("[" + ". ".join(filter(None, (said, where))) + "]")
    return captions


def tokens(captions, tokenizer, context_length):
    """Token ids (n, context_length). ValueError when a caption does not fit: open_clip would cut off its longitude."""
    for caption in set(captions):
        length = len(tokenizer.encode(caption)) + 2  # and the start and end of text
        if length > context_length:
            fewer = f"say fewer parts ({', '.join(PARTS)}), or take a larger context_length if it has one"
            raise ValueError(f"{caption!r} has {length} tokens, the text tower reads {context_length}: {fewer}")
    return tokenizer(captions, context_length=context_length)
