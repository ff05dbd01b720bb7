"""Positions on the Earth: distances, and cells."""
