"""Sentences whose truth depends on a number, or on where photos and towers come from."""

from geonb.safe_text import safe_html

FEW_PHOTOS = 1000


def length(metres):
    """A length as text that people read: '56 m', '1.4 km', '392 km'."""
    if metres < 1000:
        return f"{metres:.0f} m"
    return f"{metres / 1000:.1f} km" if metres < 10_000 else f"{metres / 1000:,.0f} km"


def verdict(ratio, low, high, *, ours, other, quantity="median error", p_holm=0.0, compared=1):
    """'helps', 'not shown' or 'harms' as a sentence, from a ratio ours / other with its 95 % interval.

    Without an interval (NaN bounds) nothing is claimed, nor where p adjusted for all compared methods is 0.05 or more.
    """
    size = "less than 1%" if abs(1 - ratio) < 0.005 else f"{abs(1 - ratio):.0%}"
    change = f"the {quantity} of {ours} is {size} {'smaller' if ratio < 1 else 'larger'} than that of {other}"
    if not (low <= high):
        return f"Not shown: {change}, but there are too few independent blocks for an interval."
    bounds = f"95 % interval of the ratio {low:.3f} to {high:.3f}"
    if (high < 1 or low > 1) and p_holm >= 0.05:
        return f"Not shown: {change} ({bounds}), but with {compared} methods compared p is {p_holm:.2f} (Holm)."
    if high < 1:
        return f"It helps here: {change} ({bounds})."
    if low > 1:
        return f"It harms here: {change} ({bounds})."
    return f"Not shown: {change}, within what chance explains ({bounds})."


def caveats(source, tower, photo_count):
    """What a reader must know before any number: a list of sentences, empty when there is nothing to warn of."""
    simulated_tower = "geonb-tiny" in tower
    found = []
    if source == "simulated":
        found.append(
            "These photos are simulated: they show how a mechanism works, not how well it does in a real city."
        )
    elif simulated_tower:
        found.append(
            f"The tower {tower} was trained on simulated pictures only: on real photos its numbers mean nothing. "
            "Choose a pretrained open_clip tower in the study (parameters tower and weights of 02_embeddings)."
        )
    if photo_count < FEW_PHOTOS:
        found.append(
            f"There are only {photo_count} photos, fewer than {FEW_PHOTOS}: errors say little, "
            "differences between methods nothing."
        )
    return found


def threats(table, ablated, trials):
    """What may be believed of a study, counted: from the tables of page 16, the variants of 08 and the trials."""
    trainings, late = int(table.trainings.sum()), int(table.still_improving.sum())
    compared, shown = int(table.compared.sum()), int(table.shown.sum())
    changed = int((~ablated.verdict.str.startswith("Not shown")).sum())
    return (
        f"{late} of {trainings} trainings were still improving at their end. Of {compared} comparisons with clip "
        f"{shown} are shown to differ after correction for their number, of {len(ablated)} changed ingredients "
        f"{changed}. The parameters of the methods were chosen in {trials} trials, the steps by as few as "
        f"{table.validation_photos.min()} validation photos."
    )


def note(sentences):
    """The sentences as a note of warning, for IPython's display; None when there are none."""
    from IPython.display import HTML

    rows = [f"<p><strong>Read with care.</strong> {safe_html(sentence)}</p>" for sentence in sentences]
    return HTML(f"<blockquote>{''.join(rows)}</blockquote>") if rows else None


def paragraph(text):
    """A sentence that holds text from data, for IPython's display."""
    from IPython.display import HTML

    return HTML(f"<p>{safe_html(text)}</p>")
