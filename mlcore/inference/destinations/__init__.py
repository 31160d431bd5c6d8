"""Where predictions go, a file a destination: whole, or not at all."""
