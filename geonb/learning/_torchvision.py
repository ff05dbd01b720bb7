"""Lets a CPU build of torch import a torchvision wheel whose compiled operators were built for CUDA.

Such a pair is what `pip install` gives where torch comes without CUDA: `import torchvision` stops there with "operator
torchvision::nms does not exist". open_clip and timm need only torchvision's Python code, so importing this room first
declares the missing operators, nms with a CPU kernel in plain torch. With a matching pair nothing is declared.
"""

import importlib.util
from pathlib import Path

import torch

_library = None  # torch forgets the operators when this goes


def non_maximum_suppression(boxes, scores, iou_threshold):
    """Indices (k,) of the boxes (n, 4: x1, y1, x2, y2) that no box of higher score overlaps by more than the bound."""
    order, kept = scores.argsort(descending=True), []
    x1, y1, x2, y2 = boxes.unbind(1)
    area = (x2 - x1) * (y2 - y1)
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        width = (torch.minimum(x2[best], x2[rest]) - torch.maximum(x1[best], x1[rest])).clamp(min=0)
        height = (torch.minimum(y2[best], y2[rest]) - torch.maximum(y1[best], y1[rest])).clamp(min=0)
        shared = width * height
        order = rest[shared / (area[best] + area[rest] - shared) <= iou_threshold]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.long, device=boxes.device)


def compiled_operators_load(folder):
    """Whether torchvision's own compiled operators fit this torch; loads them if they do."""
    compiled = [path for path in folder.glob("_C*") if path.suffix in {".so", ".pyd", ".dylib"}]
    try:
        for path in compiled:
            torch.ops.load_library(str(path))
    except OSError:
        return False
    return bool(compiled)


def declare_missing_operators():
    """Declare nms and qnms, unless torchvision's own are there; returns whether this was needed."""
    global _library
    found = importlib.util.find_spec("torchvision")
    if found is None or hasattr(torch.ops.torchvision, "nms") or compiled_operators_load(Path(found.origin).parent):
        return False
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.impl("nms", non_maximum_suppression, "CPU")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return True


declare_missing_operators()
