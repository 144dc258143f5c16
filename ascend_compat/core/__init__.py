"""The vocabulary every layer shares: frozen dataclasses and enums, no I/O."""
