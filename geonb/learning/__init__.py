"""Towers, losses, methods and their training: arrays in, arrays out."""
