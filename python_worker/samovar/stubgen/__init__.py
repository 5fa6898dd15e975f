"""samovar-stubgen: typed stubs for callers in C++ and TypeScript, out of a service's schema."""
