"""Database and broker that come with the package: own binaries, own supervisor, one owner per directory."""
