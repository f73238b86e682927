"""tune_app: parallel ablation studies of networks on Ray Tune. See README.md."""

__version__ = "0.2.0"
