//! Secrets' files, and what no single value of a configuration can say of itself.

use super::{Config, Engine, Gateway};
use crate::store::remote::{address, trust};
use pantau_settings::{Fault, Secret, Settings, Size, between};
use std::{path::Path, time::Duration};

impl Settings for Config {
    const PRINTED_BY: &'static str = "pantau-ingest config";
    const SECRETS: &'static [&'static str] = &["token"];

    fn settle(&mut self, folder: &Path) -> Result<(), Fault> {
        for (n, gateway) in self.gateways.iter_mut().enumerate() {
            read_token(gateway, n, folder)?;
        }
        if let Some(file) = &self.store.token_file {
            if !self.store.token.is_empty() {
                let mend = "remove one of token and token_file under [store]";
                return Err(Fault::new("store.token_file", "is given beside a token", mend));
            }
            self.store.token = Secret::read(&folder.join(file), "store.token_file")?;
        }
        if let Some(file) = &self.store.ca_file {
            let path = folder.join(file);
            let fault = |why: String| {
                let mend = "name a file with the certificate, in PEM, of who has signed that of the database";
                Fault::new("store.ca_file", format!("{}: {why}", path.display()), mend)
            };
            let pem = std::fs::read(&path).map_err(|error| fault(error.to_string()))?;
            trust::check(&pem).map_err(fault)?;
            self.store.ca = pem;
        }
        self.check()
    }
}

fn read_token(gateway: &mut Gateway, n: usize, folder: &Path) -> Result<(), Fault> {
    match (&gateway.token_file, gateway.token.is_empty()) {
        (Some(file), true) => {
            gateway.token = Secret::read(&folder.join(file), &format!("gateway[{n}].token_file"))?;
            Ok(())
        }
        (None, false) => Ok(()),
        _ => Err(Fault::new(
            format!("gateway[{n}].id"),
            format!("gateway {} needs exactly one of token and token_file", gateway.id.as_str()),
            "give the token by value or name a file that holds it",
        )),
    }
}

impl Config {
    /// Checks what no single value can say of itself.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.ingest.data_dir.as_os_str().is_empty() {
            return Err(Fault::new("ingest.data_dir", "is empty", "name a folder"));
        }
        if !self.http.listen.ip().is_loopback() && !self.http.anyone_on_the_network_may_read {
            return Err(Fault::new(
                "http.listen",
                format!("{} can be reached from the network, and HTTP has no login yet", self.http.listen),
                "listen on 127.0.0.1, or write `anyone_on_the_network_may_read = true` under [http]",
            ));
        }
        between("grpc.window", self.grpc.window, 1, 256)?;
        between("store.memory", self.store.memory, Size(64 << 10), Size(1 << 40))?;
        self.check_store()?;
        self.check_retention()?;
        let limits = &self.limits;
        between("limits.in_flight", limits.in_flight, Size(16 << 20), Size(1 << 40))?;
        for (key, value, least) in [
            ("limits.query_series", limits.query_series, 1),
            ("limits.query_points", limits.query_points, 1),
            ("limits.queries", limits.queries, 1),
            ("limits.live_clients", limits.live_clients, 0),
            ("limits.http_connections", limits.http_connections, 1),
        ] {
            let most = if key.starts_with("limits.query_") { 1_000_000_000 } else { 100_000 };
            between(key, value, least, most)?;
        }
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(3600));
        if !(least..=most).contains(&limits.query_time) {
            let what = format!("{:?} is not from 1s to 1h", limits.query_time);
            return Err(Fault::new("limits.query_time", what, "write for example \"30s\""));
        }
        self.check_gateways()?;
        self.check_stations()
    }

    fn check_store(&self) -> Result<(), Fault> {
        let store = &self.store;
        let texts = [
            ("url", &store.url),
            ("org", &store.org),
            ("bucket", &store.bucket),
            ("database", &store.database),
        ];
        if store.ca_file.is_some() && !store.url.starts_with("https:") {
            let mend = "write store.url with https, or remove it";
            return Err(Fault::new("store.ca_file", "means nothing without TLS", mend));
        }
        match store.engine {
            Engine::Embedded => {
                let given = texts.iter().find(|(_, text)| !text.is_empty()).map(|(key, _)| *key);
                match given.or((!store.token.is_empty()).then_some("token")) {
                    Some(key) => Err(Fault::new(
                        format!("store.{key}"),
                        "means nothing to the embedded engine",
                        "write `engine = \"influxdb\"` under [store], or remove it",
                    )),
                    None => Ok(()),
                }
            }
            Engine::Victoriametrics => {
                address(&store.url).map_err(|(what, mend)| Fault::new("store.url", what, mend))?;
                let given = texts[1..].iter().find(|(_, text)| !text.is_empty());
                if let Some((key, _)) = given {
                    return Err(Fault::new(
                        format!("store.{key}"),
                        "means nothing to VictoriaMetrics",
                        "remove it",
                    ));
                }
                // Shorter is not safe when it is killed. A batch waits twice as long at most, and gateways for 60 s.
                let (least, most) = (Duration::from_secs(10), Duration::from_secs(25));
                if !(least..=most).contains(&store.settle) {
                    let what = format!("{:?} is not from 10s to 25s", store.settle);
                    return Err(Fault::new("store.settle", what, "write for example \"15s\""));
                }
                Ok(())
            }
            Engine::Influxdb => {
                address(&store.url).map_err(|(what, mend)| Fault::new("store.url", what, mend))?;
                if store.bucket.is_empty() {
                    return Err(Fault::new("store.bucket", "is empty", "name the bucket to write into"));
                }
                Ok(())
            }
        }
    }

    fn check_gateways(&self) -> Result<(), Fault> {
        for (n, gateway) in self.gateways.iter().enumerate() {
            let id = gateway.id.as_str();
            if self.gateways[..n].iter().any(|other| other.id == gateway.id) {
                return Err(Fault::new(
                    format!("gateway[{n}].id"),
                    format!("gateway {id} is there twice"),
                    "remove one of them",
                ));
            }
            if gateway.token.reveal().len() < 16 {
                let key = if gateway.token_file.is_some() { "token_file" } else { "token" };
                return Err(Fault::new(
                    format!("gateway[{n}].{key}"),
                    format!("the token of gateway {id} is shorter than 16 characters"),
                    "make one: head -c 32 /dev/urandom | base64",
                ));
            }
        }
        Ok(())
    }

    fn check_stations(&self) -> Result<(), Fault> {
        for (n, station) in self.stations.iter().enumerate() {
            let device = station.device.as_str();
            if self.stations[..n].iter().any(|other| other.device == station.device) {
                return Err(Fault::new(
                    format!("station[{n}].device"),
                    format!("device {device} has two stations"),
                    "remove one of them",
                ));
            }
            for (key, degrees, most) in
                [("latitude", station.latitude, 90.0), ("longitude", station.longitude, 180.0)]
            {
                if let Some(degrees) = degrees
                    && !(-most..=most).contains(&degrees)
                {
                    return Err(Fault::new(
                        format!("station[{n}].{key}"),
                        format!("{degrees} is not on the Earth"),
                        format!("give degrees from -{most} to {most}"),
                    ));
                }
            }
        }
        Ok(())
    }
}
