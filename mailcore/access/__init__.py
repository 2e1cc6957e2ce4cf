"""Who may enter: users and roles, sessions, local accounts, the trail of it."""
