"""Makes torchvision importable beside a torch without CUDA, a pair that pip gives for the pins of constraints.txt.

PyPI's torchvision then stops with "operator torchvision::nms does not exist"; open_clip and timm need its Python code
alone, so the operators are declared, without a kernel. With a matching pair nothing is declared.
"""

import sys

import torch

_library = None  # torch forgets the operators when this goes
try:
    import torchvision  # noqa: F401
except RuntimeError:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    _library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
