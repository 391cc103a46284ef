//! The contract between gateway and ingest: protobuf schema, readings, ids, quantities and units.
