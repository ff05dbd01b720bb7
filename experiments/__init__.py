"""What single chapters of the book need and no user of the library would call."""
