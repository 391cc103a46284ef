//! The short names of the schema's enums, as they stand in the API, in metrics' labels and in logs:
//! `REASON_BAD_PAYLOAD` is `bad_payload` everywhere else.

use crate::v1::{Clock, LossReason, Reason};

impl Reason {
    /// For example `bad_payload`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::BadPayload => "bad_payload",
            Self::BadName => "bad_name",
            Self::UnknownQuantity => "unknown_quantity",
            Self::UnknownUnit => "unknown_unit",
            Self::NotFinite => "not_finite",
            Self::TimeInFuture => "time_in_future",
            Self::TimeTooOld => "time_too_old",
            Self::NotOwner => "not_owner",
            Self::TooLarge => "too_large",
            Self::UnknownTopic => "unknown_topic",
            Self::TooFast => "too_fast",
            Self::NotAllowed => "not_allowed",
        }
    }
}

impl LossReason {
    /// For example `spool_full`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::SpoolFull => "spool_full",
            Self::Damaged => "damaged",
            Self::EpochEnded => "epoch_ended",
            Self::Qos0Shed => "qos0_shed",
        }
    }
}

impl Clock {
    /// For example `trusted`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
        }
    }
}
