"""Pieces that several pages share. What a value means is the library's; how it looks is here."""
