"""The catalogue of photos, where photos come from, and what is known of the places around them."""
