"""Towers of one shape, trained on the same pictures for the same steps: only their supervision differs.

What captions say is varied (their share of the planted fields, nuisance, another picture, places).
"""

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import affine_grid, grid_sample, mse_loss, normalize
from tqdm import tqdm

from geonb import checks, files, random_streams
from geonb.book import page_dependencies
from geonb.learning.pretrained_towers import Tower, device, open_clip
from geonb.photos.captions import location_captions
from geonb.photos.pictures import open_picture
from simcities import captions, day, fields, simulation

EMBED, WIDTH, LAYERS, PATCH_PX = 128, 96, 4, 16
MASKED_SHARE = 0.75  # of the patches, as in He et al. 2022
CROPPED = (0.3, 1.0)  # area that strong views keep
MEAN, SPREAD = 0.45, 0.25  # of the towers' transform
ATTENTION = SDPBackend.MATH  # on a CPU the backward pass of the fused one takes most of a step
CONTEXT = 64  # tokens: every caption fits


@dataclass(frozen=True)
class Supervision:
    """kind: what a tower learns from; objective: none, fields, captions, captioner, masked or views.
    described, phrase_share: what captions describe, and their share of the fields' phrases; whose: own, or another
    picture's fields; views: weak or strong.
    """

    kind: str
    objective: str
    described: tuple = captions.SAY
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
    """What all towers may learn from: pixels (n, px, px, 3) uint8, traits (n, K), nuisances (n, 12), city (n,).
    places (n,): location captions, which name street, city and country; vocabulary (V,): all their tokens.
    """

    pixels: np.ndarray
    traits: np.ndarray
    nuisances: np.ndarray
    city: np.ndarray
    places: list
    vocabulary: torch.Tensor


def corpus(world, catalogue):
    """The Corpus of some photos of a simulated world: catalogue with photo_id, path, street, city, country."""
    here = catalogue.photo_id.to_numpy()
    seen, traits = simulation.unpainted(world)
    traits = pd.DataFrame(traits, index=seen.photo_id).loc[here].to_numpy()
    nuisances = simulation.cameras(world).set_index("photo_id").loc[here, list(day.NAMES)].to_numpy()
    names = {name: catalogue[name].to_numpy() for name in ("street", "city", "country")}
    places = location_captions(catalogue[["lat_deg", "lon_deg"]].to_numpy(), **names, parts=list(names))
    pictures = tqdm(catalogue.path, desc="pictures", file=sys.stdout)
    pixels = np.stack([np.asarray(open_picture(path)) for path in pictures])
    vocabulary = torch.unique(tokenizer()([*captions.vocabulary(), *dict.fromkeys(places)]))
    return Corpus(pixels, traits, nuisances, catalogue.city.to_numpy(object), places, vocabulary)


def tokenizer():
    """open_clip's, at a context that holds every caption."""
    return open_clip().SimpleTokenizer(context_length=CONTEXT)


def tokens(corpus, supervision, seed, epoch):
    """Token numbers (n, CONTEXT) within the corpus' vocabulary: the same picture in other words in every epoch.
    Their order stays, so that the end of a text has still the largest number.
    """
    sentences = corpus.places
    if supervision.described != ("places",):
        rng = random_streams.stream(seed, "words", epoch)
        of = np.arange(len(corpus.traits))
        if supervision.whose == "another":
            of = captions.another(len(of), random_streams.stream(seed, "another"))
        how = {"say": supervision.described, "share": supervision.phrase_share}
        sentences = captions.describe(corpus.traits[of], corpus.nuisances, rng, **how)
    return torch.searchsorted(corpus.vocabulary, tokenizer()(sentences))


def model_of(objective, picture_px, vocabulary_size):
    """An open_clip model whose image tower is the same for all objectives, with what else an objective needs.
    CoCa's decoder for a captioner, a linear reading of the fields (head), or a decoder of masked patches (decoder).
    """
    vision = {"image_size": picture_px, "patch_size": PATCH_PX, "width": WIDTH, "layers": LAYERS, "head_width": 32}
    text = {"context_length": CONTEXT, "vocab_size": vocabulary_size, "width": 64, "heads": 2, "layers": 1}
    if objective == "captioner":
        vision |= {"attentional_pool": True, "attn_pooler_heads": 4, "attn_pooler_queries": 64, "output_tokens": True}
        text |= {"width": EMBED, "heads": 4}
        model = open_clip().CoCa(EMBED, text, text | {"embed_cls": True, "output_tokens": True}, vision)
        nn.init.normal_(model.text_decoder.text_projection, std=EMBED**-0.5)  # open_clip leaves it as memory was
        return model
    model = open_clip().model.CLIP(EMBED, vision, text)
    if objective == "fields":
        model.head = nn.Linear(EMBED, len(fields.FIELDS))
    if objective == "masked":
        model.decoder = MaskedDecoder(WIDTH, model.visual.positional_embedding.shape[0], 3 * PATCH_PX**2)
    return model


class MaskedDecoder(nn.Module):
    """From the tokens of visible patches to the pixels of all: two narrow blocks (He et al. 2022)."""

    def __init__(self, width, token_count, patch_values, narrow=64):
        super().__init__()
        self.enter, self.leave = nn.Linear(width, narrow), nn.Linear(narrow, patch_values)
        self.hidden = nn.Parameter(torch.zeros(1, 1, narrow))
        self.place = nn.Parameter(0.02 * torch.randn(1, token_count, narrow))
        block = nn.TransformerEncoderLayer(narrow, 2, 4 * narrow, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

    def forward(self, tokens, kept):
        """tokens (n, 1 + V, width) of the class and visible patches; kept (n, V) their numbers."""
        seen = self.enter(tokens)
        whole = self.hidden.expand(len(tokens), self.place.shape[1] - 1, -1).to(seen.dtype)
        whole = whole.scatter(1, kept[..., None].expand(-1, -1, seen.shape[2]), seen[:, 1:])
        return self.leave(self.blocks(torch.cat([seen[:, :1], whole], dim=1) + self.place)[:, 1:])


def loss_of(model, given, corpus, batch, captions, rng):
    """The loss of one batch of photos; given: the Supervision; captions: the tokens of all, or None."""
    see = lambda: augmented(corpus.pixels[batch], rng, given.views).to(device())  # noqa: E731
    if given.objective == "masked":
        return masked(model, see(), rng)
    if given.objective == "views":
        return contrastive(model, model.visual(see()), model.visual(see()))
    if given.objective == "fields":  # read linearly from the direction of the features
        predicted = model.head(normalize(model.visual(see()).float(), dim=1) * EMBED**0.5)
        return mse_loss(predicted, torch.from_numpy(corpus.traits[batch]).to(device()).float())
    words = captions[torch.from_numpy(batch)].to(device())
    if given.objective == "captions":
        return contrastive(model, model.visual(see()), model.encode_text(words))
    out = model(see(), words)
    whole = open_clip().CoCaLoss(caption_loss_weight=2.0, clip_loss_weight=1.0)
    parts = (out["image_features"], out["text_features"], out["logits"].float(), out["labels"])
    return sum(whole(*parts, model.logit_scale.exp()))


def contrastive(model, ours, others):
    """open_clip's loss of two sets of vectors that belong together row by row."""
    unit = [normalize(vectors.float(), dim=1) for vectors in (ours, others)]
    return open_clip().ClipLoss()(*unit, model.logit_scale.exp())


def masked(model, pictures, rng):
    """Mean squared error of the hidden patches, each normalised by itself; the tower sees the others alone."""
    whole = model.visual._embeds(pictures)
    count = whole.shape[1] - 1
    order = torch.from_numpy(rng.random((len(pictures), count)).argsort(axis=1)).to(device())
    kept = torch.sort(order[:, : round(count * (1 - MASKED_SHARE))], dim=1)[0]
    visible = whole[:, 1:].gather(1, kept[..., None].expand(-1, -1, whole.shape[2]))
    predicted = model.decoder(model.visual.transformer(torch.cat([whole[:, :1], visible], dim=1)), kept).float()
    patches = nn.functional.unfold(pictures, PATCH_PX, stride=PATCH_PX).transpose(1, 2)
    patches = (patches - patches.mean(dim=2, keepdim=True)) / (patches.std(dim=2, keepdim=True) + 1e-3)
    hidden = torch.ones(len(pictures), count, device=device()).scatter(1, kept, 0.0)
    return (((predicted - patches) ** 2).mean(dim=2) * hidden).sum() / hidden.sum()


def as_seen(picture):
    """A picture, or pixels (..., px, px, 3) uint8, as a tower reads it: (..., 3, px, px) float32."""
    return (torch.from_numpy(np.array(picture)).movedim(-1, -3).float() / 255 - MEAN) / SPREAD


def augmented(pixels, rng, views="weak"):
    """Pictures (n, 3, px, px) as a tower reads them: half mirrored, all shifted by up to 4 pixels, or as strong views
    (Chen et al. 2020) each a crop of 30 to 100 % of the area in other light and colour instead.
    """
    seen = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    if views == "strong":
        seen = recoloured(cropped(seen, rng), rng)
    else:
        seen = seen.roll(tuple(rng.integers(-4, 5, 2)), dims=(2, 3))
    mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5)
    seen[mirrored] = seen[mirrored].flip(3)
    return (seen - MEAN) / SPREAD


def cropped(pictures, rng):
    """A crop of each picture (n, 3, px, px) of its own size and place, as large as before."""
    side = torch.from_numpy(np.sqrt(rng.uniform(*CROPPED, len(pictures)))).float()
    middle = torch.from_numpy(rng.uniform(-1, 1, (len(pictures), 2))).float() * (1 - side[:, None])
    boxes = torch.zeros(len(pictures), 2, 3)
    boxes[:, 0, 0] = boxes[:, 1, 1] = side
    boxes[:, :, 2] = middle
    return grid_sample(pictures, affine_grid(boxes, pictures.shape, align_corners=False), align_corners=False)


def recoloured(pictures, rng):
    """Each picture (n, 3, px, px) with another brightness, contrast and saturation; every fifth without colour."""
    n = len(pictures)
    light, contrast, colour = (torch.from_numpy(rng.uniform(0.6, 1.4, (n, 1, 1, 1))).float() for _ in range(3))
    colour = torch.where(torch.from_numpy(rng.random((n, 1, 1, 1)) < 0.2), 0.0, colour)
    grey = pictures.mean(dim=1, keepdim=True)
    mixed = grey + colour * (pictures - grey)
    middle = mixed.mean(dim=(1, 2, 3), keepdim=True)
    return ((middle + contrast * (mixed - middle)) * light).clamp(0, 1)


def optimise(model, loss, count, label, *, steps, batch_size, learning_rate, seed):
    """Train a model in place; loss: (step, epoch, indices of a batch of `count` photos) -> scalar.
    The same photos in the same order whatever is learned; a photo comes at most once in an epoch.
    """
    checks.count("batch_size", batch_size, least=2, most=count, way_out="no more than there are photos that train")
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    for step in tqdm(range(steps), desc=f"{label}, seed {seed}", file=sys.stdout):
        epoch, place = divmod(step, count // batch_size)
        order = random_streams.stream(seed, "lessons", epoch).permutation(count)
        batch = np.sort(order[place * batch_size : (place + 1) * batch_size])
        with torch.autocast(device().type, torch.bfloat16), sdpa_kernel(ATTENTION):
            value = loss(step, epoch, batch)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def pretrain(name, corpus, *, seed, settings):
    """The image tower of a supervision, from the same start for all; settings: steps, batch_size, learning_rate."""
    given, sizes = get(name), (corpus.pixels.shape[1], len(corpus.vocabulary))
    random_streams.seed_torch(seed, "supervision")
    start, model = model_of("none", *sizes).visual.state_dict(), model_of(given.objective, *sizes)
    own = model.visual.state_dict()  # a captioner pools in another way, and so has some of other shapes
    same = {key: value for key, value in start.items() if own[key].shape == value.shape}
    model.visual.load_state_dict(same, strict=False)
    model.to(device())
    captions = functools.lru_cache(1)(lambda epoch: tokens(corpus, given, seed, epoch))

    def loss(step, epoch, batch):
        words = captions(epoch) if given.objective in ("captions", "captioner") else None
        return loss_of(model, given, corpus, batch, words, random_streams.stream(seed, "augmented", step))

    if given.objective != "none":
        optimise(model, loss, len(corpus.pixels), name, seed=seed, **settings)
    return model.visual.float().eval()


def trained(names, corpora, folder, numbers, settings):
    """{name: [Tower of each of the seeds `numbers`]} of supervisions, trained on corpora[0]; see pretrain.
    Each is trained once: its weights stay in the folder, written whole. ValueError for settings that cannot be.
    """
    checks.count("steps", settings["steps"])
    checks.number("learning_rate", settings["learning_rate"], above=0)
    checks.count("seed_count", len(numbers))
    return {name: [load(name, corpora[0], folder, number, settings) for number in numbers] for name in names}


def load(name, corpus, folder, seed, settings):
    """The Tower of one training from its file in the folder, which is made where there is none."""
    file = folder / f"{name}-{seed}.safetensors"
    if not file.exists():
        state = pretrain(name, corpus, seed=seed, settings=settings).state_dict()
        state = {key: value.contiguous().cpu() for key, value in state.items()}
        files.write_whole(file, lambda partial: save_file(state, partial))
    model = model_of(get(name).objective, corpus.pixels.shape[1], len(corpus.vocabulary)).float().eval()
    model.visual.load_state_dict(load_file(file))
    return Tower(f"{name}, seed {seed}", model, as_seen, None, CONTEXT, file.stem)


def code():
    """What decides what a tower becomes, as '<file> <digest>': for the key of its checkpoints."""
    return page_dependencies.reached({Path(__file__)}, page_dependencies.RECORDING)
