"""Desks in a flood of 10 000 alarm transitions a second offered: `python -m bench.desks --flood 10000` (A04)."""

from bench.desks import main

if __name__ == "__main__":
    main(["--flood", "10000"])
