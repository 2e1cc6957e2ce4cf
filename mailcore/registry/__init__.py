"""The registered servers: what may be typed, storing and finding them, taking them in from files and out to them."""
