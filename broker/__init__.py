"""The contract on the wire: topics, envelope, codec, the MQTT client, and the broker itself."""
