"""The alarm book: one live alarm a condition, states of ISA-18.2, append-only history."""
