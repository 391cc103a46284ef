//! What no single value of a configuration can say of itself.

use super::Config;

/// A problem of a configuration that was read well but does not fit together.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) problem: String,
    pub(crate) mend: &'static str,
}

/// The part of the file that a problem is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    Http,
    Grpc,
    Limits,
    Gateway(usize),
    Station(usize),
}

impl Config {
    /// Checks what no single value can say of itself.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let refuse = |place, problem: String, mend| Err(Problem { place, problem, mend });
        if !self.http.listen.ip().is_loopback() && !self.http.anyone_on_the_network_may_read {
            return refuse(
                Place::Http,
                format!(
                    "http listens on {} for the whole network, and HTTP has no login yet",
                    self.http.listen
                ),
                "listen on 127.0.0.1, or say it in plain words: anyone_on_the_network_may_read = true",
            );
        }
        if !(1..=256).contains(&self.grpc.window) {
            return refuse(Place::Grpc, format!("window is {}", self.grpc.window), "choose 1 to 256");
        }
        if self.limits.queries == 0 || self.limits.query_series == 0 || self.limits.query_points == 0 {
            return refuse(
                Place::Limits,
                "a limit of 0 would refuse every query".to_owned(),
                "choose 1 or more",
            );
        }
        let at_once = [self.limits.queries, self.limits.live_clients, self.limits.http_connections];
        if at_once.iter().any(|limit| *limit > 100_000) || self.limits.http_connections == 0 {
            return refuse(
                Place::Limits,
                format!(
                    "queries, live_clients and http_connections are {}, {} and {}",
                    at_once[0], at_once[1], at_once[2]
                ),
                "choose 100,000 at most, and one connection at least",
            );
        }
        if self.limits.in_flight_bytes.0 < 16 << 20 {
            return refuse(
                Place::Limits,
                format!("in_flight_bytes is {}, less than one large batch", self.limits.in_flight_bytes.0),
                "choose 16 MiB or more",
            );
        }
        for (i, gateway) in self.gateways.iter().enumerate() {
            let id = gateway.id.as_str();
            if self.gateways[..i].iter().any(|other| other.id == gateway.id) {
                return refuse(
                    Place::Gateway(i),
                    format!("gateway {id} is named twice"),
                    "remove one of them",
                );
            }
            match (&gateway.token, &gateway.token_file) {
                (Some(_), Some(_)) | (None, None) => {
                    return refuse(
                        Place::Gateway(i),
                        format!("gateway {id} needs exactly one of token and token_file"),
                        "keep one of the two",
                    );
                }
                (Some(token), None) if token.trim().len() < 16 => {
                    return refuse(
                        Place::Gateway(i),
                        format!("the token of gateway {id} is shorter than 16 characters"),
                        "make one: head -c 32 /dev/urandom | base64",
                    );
                }
                _ => {}
            }
        }
        for (i, station) in self.stations.iter().enumerate() {
            let device = station.device.as_str();
            if self.stations[..i].iter().any(|other| other.device == station.device) {
                return refuse(Place::Station(i), format!("device {device} has two stations"), "remove one");
            }
            if station.latitude.is_some_and(|v| !(-90.0..=90.0).contains(&v))
                || station.longitude.is_some_and(|v| !(-180.0..=180.0).contains(&v))
            {
                return refuse(
                    Place::Station(i),
                    format!("the place of {device} is not on the Earth"),
                    "latitude is -90 to 90, longitude -180 to 180, degrees",
                );
            }
        }
        Ok(())
    }
}
