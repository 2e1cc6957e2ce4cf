"""Texts for people, as data. ``diagnoses.toml`` holds what is said of each diagnosis."""
