"""Configuration: from files under `config/` to kinds, profiles, sites and devices, with errors a person can act on."""
