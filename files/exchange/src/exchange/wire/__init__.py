"""Wire formats, encoding side: what the local exchange sends on its sockets, byte for byte."""
