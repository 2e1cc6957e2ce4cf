"""What an account may send: its limit and window, what it used, when that frees, and why it is on hold."""
