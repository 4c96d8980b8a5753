"""What people read: places, devices, values, trends, events, dead letters, audit. Always by (community, id)."""
