"""Proving that servers work: the staged check, what would work instead, the whole portfolio, the installation."""
