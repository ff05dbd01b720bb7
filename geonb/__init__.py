"""geonb: the thin library behind the notebooks; tests/test_architecture.py holds the order of its packages."""
