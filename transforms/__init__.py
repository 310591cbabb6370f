"""The reusable part: words, signatures, dictionaries, and the Beam transforms between them."""
