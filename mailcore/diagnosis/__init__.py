"""What a server's words mean and what to do about them: pure text in, a diagnosis out."""
