"""A made-up portfolio on a database of its own, and servers on this machine that answer for it."""
