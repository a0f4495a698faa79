"""Corpora as other toolkits write them down: one short file per format."""
