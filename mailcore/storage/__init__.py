"""The database: connections and transactions, the tables, and the migrations that bring an old file up to date."""
