"""Messages and addresses as the RFCs have them."""
