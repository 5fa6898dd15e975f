"""End to end: the real samovard, samovar-worker and samovar, and peers that speak PROTOCOL.md by themselves."""
