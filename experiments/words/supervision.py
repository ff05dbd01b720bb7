"""The dose experiment: one image tower, the same pictures and steps, and only what it is taught differs.

What captions say is varied (their share of the planted fields, nuisance, another picture, places), beside towers that
see no words. They learn on the training blocks of a study's own cities and are read on its other photos only.
"""

import hashlib
import json
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

from geonb import checks, files
from geonb.earth import seeds
from geonb.learning import towers
from geonb.learning.towers import device, open_clip
from geonb.photos import captions
from geonb.photos.pictures import open_picture
from geonb.photos.sources import simulated
from simcities import captions as picture_captions
from simcities import fields

CONTEXT, EMBED, WIDTH, LAYERS, PATCH_PX = 64, 128, 96, 4, 16
MASKED_SHARE = 0.75  # of the patches, as in He et al. 2022
CROPPED = (0.3, 1.0)  # area that strong views keep
MEAN, SPREAD = 0.45, 0.25  # of the towers' transform
ATTENTION = SDPBackend.MATH  # on a CPU the backward pass of the fused one takes most of a step


@dataclass(frozen=True)
class Teaching:
    """kind: what the tower is told; loss: none, fields, captions, captioner, masked or views; say, share: of captions.

    whose: own, or another picture's fields; views: weak or strong.
    """

    kind: str
    loss: str
    say: tuple = picture_captions.SAY
    share: float = 1.0
    whose: str = "own"
    views: str = "weak"


TEACHINGS = {
    "untrained": Teaching("nothing", "none"),
    "masked": Teaching("pictures", "masked"),
    "views_weak": Teaching("pictures", "views"),
    "views_strong": Teaching("pictures", "views", views="strong"),
    "words_of_the_day": Teaching("words", "captions", share=0.0),
    "words_of_another": Teaching("words", "captions", whose="another"),
    "words_quarter": Teaching("words", "captions", share=0.25),
    "words_half": Teaching("words", "captions", share=0.5),
    "words_all": Teaching("words", "captions"),
    "words_fields_only": Teaching("words", "captions", say=("fields",)),
    "words_of_places": Teaching("words", "captions", say=("places",)),
    "captioner": Teaching("words", "captioner"),
    "fields": Teaching("fields", "fields"),
}
DOSES = {"words_of_the_day": 0.0, "words_quarter": 0.25, "words_half": 0.5, "words_all": 1.0}
TEXT, VISION = ("words_all", "captioner"), ("masked", "views_weak", "views_strong")


def teaching(name):
    """A row of TEACHINGS; ValueError lists the names."""
    if name not in TEACHINGS:
        raise ValueError(f"no tower is taught {name!r}: there are {', '.join(TEACHINGS)}")
    return TEACHINGS[name]


# ---- the lesson ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Lesson:
    """What all towers may be taught: pixels (n, px, px, 3) uint8, traits (n, K), nuisances (n, 12), scenes (n,).

    places: location captions (n,), which name street, city and country; vocabulary (V,): the tokens of all captions.
    """

    pixels: np.ndarray
    traits: np.ndarray
    nuisances: np.ndarray
    scenes: np.ndarray
    places: list
    vocabulary: torch.Tensor


def lesson(world, catalogue):
    """The Lesson of some photos of a simulated world: catalogue with photo_id, path, street, city, country."""
    here = catalogue.photo_id.to_numpy()
    seen, traits = simulated.unpainted(world)
    traits = pd.DataFrame(traits, index=seen.photo_id).loc[here].to_numpy()
    cameras = simulated.cameras(world).set_index("photo_id").loc[here]
    named = {name: catalogue[name].to_numpy() for name in ("street", "city", "country")}
    at = catalogue[["lat_deg", "lon_deg"]].to_numpy()
    places = captions.location_captions(at, **named, parts=list(named))
    pixels = np.stack(
        [np.asarray(open_picture(path)) for path in tqdm(catalogue.path, desc="pictures", file=sys.stdout)]
    )
    vocabulary = torch.unique(tokenizer()([*picture_captions.vocabulary(), *dict.fromkeys(places)]))
    nuisances = cameras.drop(columns="scene").to_numpy()
    return Lesson(pixels, traits, nuisances, cameras.scene.to_numpy(str), places, vocabulary)


def tokenizer():
    """open_clip's, at a context that holds every caption."""
    return open_clip().SimpleTokenizer(context_length=CONTEXT)


def tokens(lesson, taught, seed, epoch):
    """Token numbers (n, CONTEXT) within the lesson's vocabulary: the same picture in other words in every epoch.

    All tokens are numbered anew in their old order, so that the table of words, and a captioner's choice among them,
    is a hundredth of CLIP's and the end of a text has still the largest number.
    """
    if taught.say == ("places",):
        said = lesson.places
    else:
        rng = seeds.stream(seed, "words", epoch)
        of = np.arange(len(lesson.traits)) if taught.whose == "own" else another(lesson.scenes, seed)
        said = picture_captions.describe(
            lesson.traits[of], lesson.nuisances, lesson.scenes, rng, say=taught.say, share=taught.share
        )
    return torch.searchsorted(lesson.vocabulary, tokenizer()(said))


def another(scenes, seed):
    """For each picture (n,) another one of the same kind of scene, whose fields its caption then tells."""
    rng, whose = seeds.stream(seed, "another"), np.arange(len(scenes))
    for scene in np.unique(scenes):
        here = rng.permutation(np.flatnonzero(scenes == scene))
        whose[here] = np.roll(here, 1)
    return whose


# ---- the tower -------------------------------------------------------------------------------------------------------
def model_of(taught, picture_px, vocabulary_size):
    """An open_clip model whose image tower is the same whatever is taught; with CoCa's decoder for a captioner."""
    vision = {"image_size": picture_px, "patch_size": PATCH_PX, "width": WIDTH, "layers": LAYERS, "head_width": 32}
    text = {"context_length": CONTEXT, "vocab_size": vocabulary_size, "width": 64, "heads": 2, "layers": 1}
    if taught.loss != "captioner":
        return open_clip().model.CLIP(EMBED, vision, text)
    pooled = {"attentional_pool": True, "attn_pooler_heads": 4, "attn_pooler_queries": 64, "output_tokens": True}
    words = {"embed_cls": True, "output_tokens": True}
    text |= {"width": EMBED, "heads": 4}
    model = open_clip().CoCa(EMBED, text, text | words, vision | pooled)
    nn.init.normal_(model.text_decoder.text_projection, std=EMBED**-0.5)  # open_clip leaves it as memory was
    return model


class Taught(nn.Module):
    """A model with what only its loss needs: a linear reading of the fields, or a decoder of masked patches."""

    def __init__(self, taught, model):
        super().__init__()
        self.model, self.loss = model, taught.loss
        if taught.loss == "fields":
            self.head = nn.Linear(EMBED, len(fields.FIELDS))
        if taught.loss == "masked":
            self.decoder = MaskedDecoder(WIDTH, model.visual.positional_embedding.shape[0], 3 * PATCH_PX**2)


class MaskedDecoder(nn.Module):
    """From the tokens of visible patches to the pixels of all: two narrow blocks (He et al. 2022)."""

    def __init__(self, width, token_count, patch_values, narrow=64):
        super().__init__()
        self.enter, self.leave = nn.Linear(width, narrow), nn.Linear(narrow, patch_values)
        self.hidden = nn.Parameter(torch.zeros(1, 1, narrow))
        self.place = nn.Parameter(0.02 * torch.randn(1, token_count, narrow))
        block = nn.TransformerEncoderLayer(narrow, 2, 4 * narrow, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

    def forward(self, told, kept):
        """told (n, 1 + V, width) of the class and visible patches; kept (n, V) their numbers."""
        seen = self.enter(told)
        whole = self.hidden.expand(len(told), self.place.shape[1] - 1, -1).to(seen.dtype)
        whole = whole.scatter(1, kept[..., None].expand(-1, -1, seen.shape[2]), seen[:, 1:])
        return self.leave(self.blocks(torch.cat([seen[:, :1], whole], dim=1) + self.place)[:, 1:])


# ---- losses ----------------------------------------------------------------------------------------------------------
def loss_of(tower, taught, lesson, batch, said, rng):
    """The loss of one batch of photos; said: the tokens of all captions, or None."""
    see = lambda: augmented(lesson.pixels[batch], rng, taught.views).to(device())  # noqa: E731
    if taught.loss == "masked":
        return masked(tower, see(), rng)
    if taught.loss == "views":
        return contrastive(tower, tower.model.visual(see()), tower.model.visual(see()))
    if taught.loss == "fields":
        return told_fields(tower, tower.model.visual(see()), lesson, batch)
    words = said[torch.from_numpy(batch)].to(device())
    if taught.loss == "captions":
        return contrastive(tower, tower.model.visual(see()), tower.model.encode_text(words))
    out = tower.model(see(), words)
    whole = open_clip().CoCaLoss(caption_loss_weight=2.0, clip_loss_weight=1.0)
    scale = tower.model.logit_scale.exp()
    return sum(whole(out["image_features"], out["text_features"], out["logits"].float(), out["labels"], scale))


def contrastive(tower, ours, others):
    """open_clip's loss of two sets of vectors that belong together row by row."""
    unit = [normalize(vectors.float(), dim=1) for vectors in (ours, others)]
    return open_clip().ClipLoss()(*unit, tower.model.logit_scale.exp())


def told_fields(tower, seen, lesson, batch):
    """Mean squared error of the fields of street views, read linearly from the direction of the features."""
    shown = torch.from_numpy(lesson.scenes[batch] == "street").to(device())
    told = tower.head(normalize(seen.float(), dim=1) * EMBED**0.5)
    return mse_loss(told[shown], torch.from_numpy(lesson.traits[batch]).float().to(device())[shown])


def masked(tower, pictures, rng):
    """Mean squared error of the hidden patches, each normalised by itself; the tower sees the others alone."""
    visual = tower.model.visual
    whole = visual._embeds(pictures)
    count = whole.shape[1] - 1
    order = torch.from_numpy(rng.random((len(pictures), count)).argsort(axis=1)).to(device())
    kept = torch.sort(order[:, : round(count * (1 - MASKED_SHARE))], dim=1)[0]
    visible = whole[:, 1:].gather(1, kept[..., None].expand(-1, -1, whole.shape[2]))
    told = tower.decoder(visual.transformer(torch.cat([whole[:, :1], visible], dim=1)), kept).float()
    patches = nn.functional.unfold(pictures, PATCH_PX, stride=PATCH_PX).transpose(1, 2)
    patches = (patches - patches.mean(dim=2, keepdim=True)) / (patches.std(dim=2, keepdim=True) + 1e-3)
    hidden = torch.ones(len(pictures), count, device=device()).scatter(1, kept, 0.0)
    return (((told - patches) ** 2).mean(dim=2) * hidden).sum() / hidden.sum()


def augmented(pixels, rng, views="weak"):
    """Pictures (n, 3, px, px) as a tower reads them: half mirrored, all shifted by up to 4 pixels.

    Strong views (Chen et al. 2020) are each a crop of 30 to 100 % of the area, in other light and colour instead.
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


# ---- training --------------------------------------------------------------------------------------------------------
def teach(name, lesson, *, steps, batch_size, learning_rate, seed=0, weight_decay=0.05):
    """(image tower, loss (steps,)) taught on a Lesson; the same photos in the same order whatever is taught."""
    taught, sizes = teaching(name), (lesson.pixels.shape[1], len(lesson.vocabulary))
    seeds.seed_torch(seed, "supervision")
    start = model_of(TEACHINGS["untrained"], *sizes).visual.state_dict()
    tower = Taught(taught, model_of(taught, *sizes))
    own = tower.model.visual.state_dict()  # a captioner pools in another way, and so has some of other shapes
    start = {key: value for key, value in start.items() if own[key].shape == value.shape}
    tower.model.visual.load_state_dict(start, strict=False)
    tower.to(device())
    curve = []
    if taught.loss != "none":
        optimizer = torch.optim.AdamW(tower.parameters(), learning_rate, weight_decay=weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
        said, spoken = None, -1
        for step, epoch, batch in tqdm(
            batches(len(lesson.pixels), batch_size, steps, seed),
            total=steps,
            desc=f"{name}, seed {seed}",
            file=sys.stdout,
        ):
            if epoch != spoken and taught.loss in ("captions", "captioner"):
                said, spoken = tokens(lesson, taught, seed, epoch), epoch
            with torch.autocast(device().type, torch.bfloat16), sdpa_kernel(ATTENTION):
                loss = loss_of(tower, taught, lesson, batch, said, seeds.stream(seed, "augmented", step))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            curve.append(loss.item())
    return tower.model.visual.float().eval(), np.array(curve)


def batches(count, batch_size, steps, seed):
    """(step, epoch, indices) of every step; a photo comes at most once in an epoch."""
    checks.count("batch_size", batch_size, least=2, most=count, way_out="no more than there are photos that teach")
    each = count // batch_size
    for step in range(steps):
        epoch, place = divmod(step, each)
        order = seeds.stream(seed, "lessons", epoch).permutation(count)
        yield step, epoch, np.sort(order[place * batch_size : (place + 1) * batch_size])


def folder_of(lesson, *, steps, batch_size, learning_rate):
    """The folder of towers that were taught so: another one for other photos, words, settings or code of this room.

    Not for other wordings of the same words (cities/captions.py) nor other versions of packages: clear it then.
    """
    settings = [
        steps,
        batch_size,
        learning_rate,
        *lesson.places,
        *lesson.scenes,
        files.code_digest(code_of_this_room()),
    ]
    recipe = hashlib.sha256(json.dumps(settings).encode())
    for values in (lesson.pixels, lesson.traits, lesson.nuisances, lesson.vocabulary.numpy()):
        recipe.update(np.ascontiguousarray(values).tobytes())
    return files.ROOT / "build" / "taught" / recipe.hexdigest()[:12]


def code_of_this_room():
    """The text of this file."""
    return Path(__file__).read_text(encoding="utf-8")


def taught_tower(name, lesson, *, steps, batch_size, learning_rate, seed=0):
    """(towers.Tower, loss (steps,)), taught once: its weights stay in folder_of, written whole."""
    checks.count("steps", steps)
    checks.number("learning_rate", learning_rate, above=0)
    settings = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
    file = folder_of(lesson, **settings) / f"{name}-{seed}.safetensors"
    if not file.exists():
        visual, curve = teach(name, lesson, seed=seed, **settings)
        state = {key: value.contiguous().cpu() for key, value in visual.state_dict().items()}
        files.write_whole(file, lambda partial: save_file(state | {"curve": torch.from_numpy(curve)}, partial))
    state = load_file(file)
    curve = state.pop("curve").numpy()
    model = model_of(teaching(name), lesson.pixels.shape[1], len(lesson.vocabulary)).float().eval()
    model.visual.load_state_dict(state)
    return towers.Tower(f"{name}, seed {seed}", model, as_taught, None, CONTEXT, file.stem), curve


def as_taught(picture):
    """A picture as the towers saw theirs, (3, px, px) float32."""
    seen = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255
    return (seen - MEAN) / SPREAD
