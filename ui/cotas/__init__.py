"""What the page Cotas shows."""
