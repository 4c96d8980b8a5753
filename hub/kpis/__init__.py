"""How well the alarm system serves its people: the figures of ISA-18.2 and EEMUA 191, with their targets."""
