"""Sentences that a page says of itself, and how text from data is shown in them."""

import re

from IPython.display import HTML

from geonb.showing.safe_text import safe_html

FEW_PHOTOS = 1000
SIMULATED = "These photos are simulated: they show how a mechanism works, not how well it does in a real city."
SIMULATED_TOWER = "geonb-tiny"
FOREIGN_TOWER = (
    f"The tower {SIMULATED_TOWER} was trained on simulated pictures only: on real photos its numbers mean nothing. "
    "Under 02_embeddings of the study set tower: ViT-B-32 and weights: laion2b_s34b_b79k, or without a network "
    "tower: imagenet/efficientnet-lite0."
)
ONE_CITY = "All photos are of one city: shares of the right city or country and the GeoScore would say nothing."
# in words of notebooks/ and book/: <!-- simulated -->for a simulated study<!-- real -->for all others<!-- end -->
SUITED = re.compile(r"<!-- simulated -->(.*?)(?:<!-- real -->(.*?))?<!-- end -->", re.DOTALL)


def caveats(source, tower, photo_count):
    """What a reader must know before any number: a list of sentences, empty when there is nothing to warn of."""
    found = []
    if source == "simulated":
        found.append(SIMULATED)
    elif SIMULATED_TOWER in tower:
        found.append(FOREIGN_TOWER)
    elif tower.startswith("imagenet/"):
        found.append(
            f"The features are those of {tower}, which learned to name the things of ImageNet: it reads no words, "
            "and a pretrained tower of open_clip would see more."
        )
    if photo_count < FEW_PHOTOS:
        found.append(of_few(photo_count))
    return found


def of_best(tower):
    """Which tower a study got that asked for the best."""
    return f"The study asks for the best tower that can be loaded where it runs: here that is {tower}."


def of_few(photo_count):
    """What is to be said of few photos."""
    return (
        f"There are only {photo_count} photos, fewer than {FEW_PHOTOS}: errors say little, "
        "differences between methods nothing."
    )


def of_one_place(splits):
    """What is to be said of splits whose test photos stand at one place each, '' where there are none."""
    return f"All test photos of {', '.join(splits)} stand at one place: errors there say nothing." if splits else ""


def governing(tower, photo_count):
    """The sentence that stands in place of an answer from real photos where its numbers mean nothing, else ''."""
    if SIMULATED_TOWER in tower:
        return FOREIGN_TOWER
    return of_few(photo_count) if photo_count < FEW_PHOTOS else ""


def suited(text, simulated):
    """A text without what it holds for the other kind of study, see SUITED."""
    return SUITED.sub(lambda found: found[1] if simulated else found[2] or "", text)


def note(sentences):
    """The sentences as a note of warning, for IPython's display; None when there are none."""
    rows = [f"<p><strong>Read with care.</strong> {safe_html(sentence)}</p>" for sentence in sentences]
    return HTML(f"<blockquote>{''.join(rows)}</blockquote>") if rows else None


def paragraph(text):
    """A sentence that holds text from data, for IPython's display."""
    return HTML(f"<p>{safe_html(text)}</p>")
