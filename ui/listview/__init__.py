"""What every list of records has: filters that a link reopens, a table, its pages, and a selection kept by id."""
