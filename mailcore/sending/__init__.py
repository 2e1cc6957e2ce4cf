"""One message from the rules to its outcome: the ledger row, the hand-over, and what became of it."""
