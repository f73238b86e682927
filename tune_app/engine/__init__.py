"""Fit and score networks: tensors in, numbers out. No files, no Ray."""

from tune_app.engine.fit import EpochScores, fit, score
from tune_app.engine.images import Images, Normalisation, build_normalisation

__all__ = ["EpochScores", "Images", "Normalisation", "build_normalisation", "fit", "score"]
