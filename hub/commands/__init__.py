"""Commands down: requested, authorised, sent, acknowledged, confirmed by the device's own word; or why not."""
