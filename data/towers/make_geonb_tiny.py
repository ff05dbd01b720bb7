"""Train geonb-tiny: a small open_clip model on pictures and captions of simulated cities that no study shows.

python data/towers/make_geonb_tiny.py      about 10 core-minutes; writes data/towers/geonb-tiny/
World seeds 200 and above are kept for towers; studies use 0 to 199.
"""

import hashlib
import json
import math
import sys
import time
from pathlib import Path

from geonb import _torchvision, seeds  # noqa: F401  before open_clip, which imports torchvision

# isort: split
import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from geonb.cities import captions, fields, geography, renderer

HERE = Path(__file__).parent / "geonb-tiny"
WORLD_SEED, CITIES, PHOTOS_PER_CITY, PICTURE_PX = 200, 40, 300, 96
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 5, 128, 1e-3, 0.1
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": PICTURE_PX, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": 64, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}


def pictures_and_captions():
    pictures, words = [], []
    for index in range(CITIES):
        rng = seeds.stream(WORLD_SEED, "tower", index)
        scale = rng.uniform(0.5, 1.5)  # towers meet more ranges than the studies plant
        planted = fields.Planted(range_m=tuple(scale * r for r in fields.Planted().range_m), city_mean_sd=1.0)
        city = geography.city(index, WORLD_SEED, planted, half_side_m=700.0, name=f"Tower city {index}")
        photos = geography.drives(city, PHOTOS_PER_CITY, rng)
        nuisances = renderer.nuisance(len(photos), rng.integers(0, 2, len(photos)).astype(float), rng)
        pictures.append(renderer.render(city, photos, nuisances, PICTURE_PX, planted.nugget))
        words += captions.describe(captions.traits(city, photos), nuisances, rng)
    return np.concatenate(pictures), words


def main():
    started = time.process_time()
    seeds.seed_torch(0, "geonb-tiny")
    pictures, words = pictures_and_captions()
    print(f"{len(pictures)} pictures after {time.process_time() - started:.0f} core-seconds", flush=True)
    model = open_clip.model.CLIP(MODEL["embed_dim"], MODEL["vision_cfg"], MODEL["text_cfg"])
    tokens = open_clip.SimpleTokenizer(context_length=64)(words)
    mean, std = (torch.tensor(PREPROCESS[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    steps = EPOCHS * (len(pictures) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    loss_of = open_clip.ClipLoss()
    step = 0
    for epoch in range(EPOCHS):
        order = seeds.stream(0, "geonb-tiny", epoch).permutation(len(pictures))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            batch = np.sort(order[first : first + BATCH])
            seen = (torch.from_numpy(pictures[batch]).permute(0, 3, 1, 2).contiguous().float() / 255 - mean) / std
            loss = loss_of(*model(seen, tokens[batch])[:3])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))
            step += 1
            if step % 50 == 0:
                print(
                    f"step {step}/{steps} loss {loss.item():.3f} {time.process_time() - started:.0f} core-s", flush=True
                )
    HERE.mkdir(exist_ok=True)
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, HERE / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (HERE / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    digest = hashlib.sha256((HERE / "open_clip_model.safetensors").read_bytes()).hexdigest()
    (HERE / "SHA256SUMS").write_text(f"{digest}  open_clip_model.safetensors\n")
    print(f"done in {time.process_time() - started:.0f} core-seconds, {digest}")


if __name__ == "__main__":
    sys.exit(main())
