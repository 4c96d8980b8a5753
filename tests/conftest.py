"""For every test: the product's own logging, so that what it would print is what is captured."""

from hypothesis import settings

from hub.logs import configure_logging

configure_logging("console")
settings.register_profile("hub", deadline=None)  # a busy machine is no failure
settings.load_profile("hub")
