"""Real booted Linux hosts on this machine, and the stand-ins around them."""
