"""What this machine is, and how fast beside the one that the times in the book come from."""

import os
import platform
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd

REFERENCE_SECONDS = 0.54  # what reference_seconds gave on the machine of the published times, two shared x86-64 cores


def describe():
    """Table (name, value) of what matters for a rerun: Python, system, cores, memory, device."""
    import psutil
    import torch

    rows = {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "torch": torch.__version__,
        "device": device_name(),
    }
    return pd.DataFrame(rows.items(), columns=["name", "value"])


def device_name():
    """The GPU that torch would use here, else the processor as the operating system names it."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return named[1] if named else platform.processor() or platform.machine()


def reference_seconds():
    """Seconds that one core needs for a fixed piece of work: products of matrices as in a training step."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 512, 512)).astype(np.float32)
    started = time.process_time()
    for _ in range(200):
        a = np.tanh(a @ b / 23)
    return time.process_time() - started
