"""The page "Envio em lote": the list of batches, a new one, and one batch."""
