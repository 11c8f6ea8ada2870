"""Wire formats: one module each, from recorded bytes to exact integers."""
