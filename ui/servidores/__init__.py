"""What the page Servidores de e-mail shows."""
