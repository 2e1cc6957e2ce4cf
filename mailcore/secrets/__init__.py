"""Passwords and keys: the store over a keyring, and the keyring in our own database."""
