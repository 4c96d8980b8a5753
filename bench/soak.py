"""The hub's memory under 5 000 messages a second for ten minutes (about eleven in all).

`python -m bench.soak` prints one JSON object.
"""

from bench.ingest import main

if __name__ == "__main__":
    main(["--only", "hub", "--count", "20000", "--soak", "600"])
