"""What a number must be before anything is computed with it: NaN passes many comparisons, and then for a number."""

import math
import operator
from numbers import Integral, Real

HOLDS = {"above": operator.gt, "at least": operator.ge, "below": operator.lt, "at most": operator.le}


def number(name, value, *, above=None, least=None, below=None, most=None, way_out="", kind=Real):
    """Nothing, or a ValueError with name, value, bounds and way out unless a value is finite and within its bounds."""
    limits = {"above": above, "at least": least, "below": below, "at most": most}
    limits = {word: limit for word, limit in limits.items() if limit is not None}
    is_one = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    if not (is_one and all(HOLDS[word](value, limit) for word, limit in limits.items())):
        within = " and ".join(f"{word} {limit}" for word, limit in limits.items())
        what = ("a whole number " if kind is Integral else "a finite number ") + "of " * within.startswith("at")
        raise ValueError(f"{name} {value} must be {what}{within}".strip() + (f": {way_out}" if way_out else ""))


def count(name, value, *, least=1, most=None, way_out=""):
    """The same for a whole number, of 1 at least unless another bound is given."""
    number(name, value, least=least, most=most, way_out=way_out, kind=Integral)


def same_length(arrays):
    """Nothing, or a ValueError that names the lengths unless all arrays (name -> array) are of one length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        named = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise ValueError(f"lengths differ, there are {named}: give one of each, in the same order")


def finite(name, values):
    """Nothing, or a ValueError that says how many of an array's numbers are missing or infinite."""
    import numpy as np

    if wrong := int((~np.isfinite(values)).sum()):
        raise ValueError(f"{wrong} of {np.size(values)} values of {name} are missing or infinite: leave them out first")
