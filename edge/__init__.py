"""The agent on a Raspberry Pi: drivers, sampling, outbox, uplink."""
