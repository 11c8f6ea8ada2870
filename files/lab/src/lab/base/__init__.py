"""Base trees: root file systems built once from the distribution's archive and shared by every host."""
