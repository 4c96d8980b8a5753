"""Our own MQTT receiver: acknowledgement after commit (docs/adr/0003-own-mqtt-receiver.md)."""
