"""kappa-asr: CTC speech recognition from few transcripts, at any batch size."""

__version__ = "0.1.0"
