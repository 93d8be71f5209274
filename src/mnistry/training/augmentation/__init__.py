"""Training images as others would write, scan and photograph them, and images that are not digits."""
