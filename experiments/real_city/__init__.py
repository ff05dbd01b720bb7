"""A real city with trained methods: folds in which every photo is predicted once, and controls of what is read."""
