"""The page about messages, written from the places that raise them."""
