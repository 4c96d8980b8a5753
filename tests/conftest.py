"""For every test: the product's own logging, so that what it would print is what is captured."""

from hub.logs import configure_logging

configure_logging("console")
