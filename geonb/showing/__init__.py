"""Figures and maps from tables: one file per kind of picture."""
