"""OAuth2 for sending: applications, who authorised what, and the tokens a login uses instead of a password."""
