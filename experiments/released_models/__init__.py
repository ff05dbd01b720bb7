"""How finely released models see the Earth: measured on their own weights, without a photo."""
