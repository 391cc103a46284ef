//! The edge: takes readings in durably over MQTT and forwards them to ingest.
