"""What the files under `config/` may say: kinds, device profiles, sites. Pure, closed, typed (pydantic)."""
