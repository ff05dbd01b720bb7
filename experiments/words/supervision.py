"""What towers are trained with: the objectives and captions that differ, and the photos that are the same for all.

What captions say is varied (their share of the planted fields, nuisance, another picture, places), beside towers that
see no words. They learn on the training part of a study's own photos and are read on its other photos only.
"""

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from geonb import random_streams
from geonb.learning.pretrained_towers import open_clip
from geonb.photos import captions
from geonb.photos.pictures import open_picture
from simcities import captions as picture_captions
from simcities import simulation

CONTEXT = 64  # tokens: every caption fits


@dataclass(frozen=True)
class Supervision:
    """kind: what a tower learns from; objective: none, fields, captions, captioner, masked or views.

    described, phrase_share: what captions describe, and their share of the fields' phrases; whose: own, or another
    picture's fields; views: weak or strong.
    """

    kind: str
    objective: str
    described: tuple = picture_captions.SAY
    phrase_share: float = 1.0
    whose: str = "own"
    views: str = "weak"


SUPERVISIONS = {
    "untrained": Supervision("nothing", "none"),
    "masked": Supervision("pictures", "masked"),
    "views_weak": Supervision("pictures", "views"),
    "views_strong": Supervision("pictures", "views", views="strong"),
    "words_of_the_day": Supervision("words", "captions", phrase_share=0.0),
    "words_of_another": Supervision("words", "captions", whose="another"),
    "words_quarter": Supervision("words", "captions", phrase_share=0.25),
    "words_half": Supervision("words", "captions", phrase_share=0.5),
    "words_all": Supervision("words", "captions"),
    "words_fields_only": Supervision("words", "captions", described=("fields",)),
    "words_of_places": Supervision("words", "captions", described=("places",)),
    "captioner": Supervision("words", "captioner"),
    "fields": Supervision("fields", "fields"),
}
PHRASE_SHARES = {"words_of_the_day": 0.0, "words_quarter": 0.25, "words_half": 0.5, "words_all": 1.0}
TEXT, VISION = ("words_all", "captioner"), ("masked", "views_weak", "views_strong")


def get(name):
    """A row of SUPERVISIONS; ValueError lists the names."""
    if name not in SUPERVISIONS:
        raise ValueError(f"no tower is trained with {name!r}: there are {', '.join(SUPERVISIONS)}")
    return SUPERVISIONS[name]


@dataclass(frozen=True)
class Corpus:
    """What all towers may learn from: pixels (n, px, px, 3) uint8, traits (n, K), nuisances (n, 12), scenes (n,).

    city (n,); places (n,): location captions, which name street, city and country; vocabulary (V,): all their tokens.
    """

    pixels: np.ndarray
    traits: np.ndarray
    nuisances: np.ndarray
    scenes: np.ndarray
    city: np.ndarray
    places: list
    vocabulary: torch.Tensor


def corpus(world, catalogue):
    """The Corpus of some photos of a simulated world: catalogue with photo_id, path, street, city, country."""
    here = catalogue.photo_id.to_numpy()
    seen, traits = simulation.unpainted(world)
    traits = pd.DataFrame(traits, index=seen.photo_id).loc[here].to_numpy()
    cameras = simulation.cameras(world).set_index("photo_id").loc[here]
    names = {name: catalogue[name].to_numpy() for name in ("street", "city", "country")}
    places = captions.location_captions(catalogue[["lat_deg", "lon_deg"]].to_numpy(), **names, parts=list(names))
    pictures = tqdm(catalogue.path, desc="pictures", file=sys.stdout)
    pixels = np.stack([np.asarray(open_picture(path)) for path in pictures])
    vocabulary = torch.unique(tokenizer()([*picture_captions.vocabulary(), *dict.fromkeys(places)]))
    nuisances, scenes = cameras.drop(columns="scene").to_numpy(), cameras.scene.to_numpy(str)
    return Corpus(pixels, traits, nuisances, scenes, catalogue.city.to_numpy(object), places, vocabulary)


def tokenizer():
    """open_clip's, at a context that holds every caption."""
    return open_clip().SimpleTokenizer(context_length=CONTEXT)


def tokens(corpus, supervision, seed, epoch):
    """Token numbers (n, CONTEXT) within the corpus' vocabulary: the same picture in other words in every epoch.

    All tokens are numbered anew in their old order, so that the table of words, and a captioner's choice among them,
    is a hundredth of CLIP's and the end of a text has still the largest number.
    """
    sentences = corpus.places
    if supervision.described != ("places",):
        rng = random_streams.stream(seed, "words", epoch)
        of = np.arange(len(corpus.traits)) if supervision.whose == "own" else another(corpus.scenes, seed)
        sentences = picture_captions.describe(
            corpus.traits[of], corpus.nuisances, corpus.scenes, rng, say=supervision.described,
            share=supervision.phrase_share,
        )  # fmt: skip
    return torch.searchsorted(corpus.vocabulary, tokenizer()(sentences))


def another(scenes, seed):
    """For each picture (n,) another one of the same kind of scene, whose fields its caption then describes."""
    rng, whose = random_streams.stream(seed, "another"), np.arange(len(scenes))
    for scene in np.unique(scenes):
        here = rng.permutation(np.flatnonzero(scenes == scene))
        whose[here] = np.roll(here, 1)
    return whose
