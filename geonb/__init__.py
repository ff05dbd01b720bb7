"""geonb: the thin library behind the notebooks. Packages by subject, imports only downwards (tests/test_architecture.py)."""
