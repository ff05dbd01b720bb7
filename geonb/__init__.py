"""geonb: the thin library behind the notebooks. Rooms stand on floors and import only downwards (CONTRIBUTING.md)."""
