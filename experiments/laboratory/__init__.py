"""Experiments on simulated cities, whose truth is known: chapters 12, 17, 18 and 19."""
