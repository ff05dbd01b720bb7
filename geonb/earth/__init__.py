"""Positions on the Earth: distances, cells, and the random streams that draw from them."""
