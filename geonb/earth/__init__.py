"""Positions on the Earth: distances, cells that draw from them."""
