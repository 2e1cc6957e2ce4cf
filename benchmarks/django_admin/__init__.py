"""The peer: the same servers in a Django admin, set up as its documentation says for a small site.

Served by waitress (one process, four threads, as the app is one process with threads), static files by
WhiteNoise with a long cache, DEBUG off, SQLite in WAL mode with the same settings as the app's.
"""
