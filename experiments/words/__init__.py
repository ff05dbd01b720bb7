"""What textual supervision does to the representation of place: chapter 14."""
