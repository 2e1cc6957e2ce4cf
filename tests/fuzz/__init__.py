"""Seeded bad input for whatever reads what others wrote: files, pasted text, mail servers, HTTP services, forms.

``make fuzz``, or :func:`tests.fuzz.run.run` in a test. Of each input only the seed is kept: the same seed makes the
same input again.
"""
