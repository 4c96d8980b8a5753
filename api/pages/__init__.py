"""The web pages: NiceGUI, everything from the wheel, every action through the same desks as the REST API."""
