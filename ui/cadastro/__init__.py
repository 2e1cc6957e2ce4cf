"""What the page Cadastro shows and does."""
