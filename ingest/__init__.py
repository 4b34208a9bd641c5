"""From MQTT into the ledger, with acknowledgements and dead letters, and from the ledger into the views."""
