"""Corpora on disk become manifests here: one short file per kind of corpus."""
