"""The commands of `kontext-rx`. They need the extra `cli`; nothing in the library imports them."""
