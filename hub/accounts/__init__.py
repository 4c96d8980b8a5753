"""Who may come in: accounts with passwords, their sessions, and API keys of machines."""
