"""Semivariograms of feature vectors: pairs by lag, empirical curves, fitted models."""
