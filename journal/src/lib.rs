//! The durable log under the gateway's spool and ingest's write-ahead log.
