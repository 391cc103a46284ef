//! Drives a gateway's MQTT side or ingest's gRPC side as hard as asked, and costs little itself: packets are
//! encoded beforehand, one thread serves all connections. Works against any MQTT 3.1.1 broker.

mod batches;
pub(crate) mod cpu;
pub(crate) mod grpc;
pub(crate) mod histogram;
pub(crate) mod mqtt;
mod packet;
mod report;
mod sender;
#[cfg(test)]
mod tests;

pub use grpc::GrpcLoad;
pub use mqtt::MqttLoad;
pub use report::{LoadReport, Percentiles};

/// What ended a run of the load tool.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An option does not fit.
    #[error("{0}")]
    Option(String),
    /// A socket.
    #[error("connection to {address}: {source}")]
    Socket {
        /// Where.
        address: String,
        /// What.
        source: std::io::Error,
    },
    /// The server sent what no MQTT 3.1.1 server sends.
    #[error("the server's bytes are not MQTT 3.1.1: {0}")]
    Packet(&'static str),
    /// CONNACK with another code than 0.
    #[error("the server refused the connection with code {0}")]
    Refused(u8),
    /// Acks that did not come.
    #[error("{unacked} of {sent} are not acknowledged {seconds} s after the last ack")]
    Stalled {
        /// Sent.
        sent: u64,
        /// Not acknowledged.
        unacked: u64,
        /// How long.
        seconds: u64,
    },
    /// No such process, or no /proc.
    #[error("process {pid}: {source}")]
    Process {
        /// Its id.
        pid: u32,
        /// What.
        source: std::io::Error,
    },
    /// The gRPC stream.
    #[error("ingest: {0}")]
    Grpc(#[from] Box<tonic::Status>),
    /// The gRPC connection.
    #[error("ingest: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// A batch that could not be encoded.
    #[error("batch: {0}")]
    Wire(#[from] pantau_proto::wire::WireError),
}
