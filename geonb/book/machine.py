"""What this machine is, and how fast beside the one that the times in the book come from."""

import os
import platform
import time

import numpy as np
import pandas as pd

REFERENCE_SECONDS = 0.54  # what reference_seconds gave on the machine of the published times, two shared x86-64 cores


def describe():
    """Table (name, value) of what matters for a rerun: Python, system, cores, memory, accelerator."""
    import psutil
    import torch

    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "none: everything runs on the CPU"
    rows = {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "torch": torch.__version__,
        "accelerator": accelerator,
    }
    return pd.DataFrame({"name": rows.keys(), "value": rows.values()})


def reference_seconds():
    """Seconds that one core needs for a fixed piece of work: products of matrices as in a training step."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 512, 512)).astype(np.float32)
    started = time.process_time()
    for _ in range(200):
        a = np.tanh(a @ b / 23)
    return time.process_time() - started
