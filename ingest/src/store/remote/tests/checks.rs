//! What `pantau-ingest check` says of a database.

use pantau_databases::influxd::DATABASE;
use pantau_settings::{Fault, Secret};

use super::support::{Database, NOW};
use crate::store::remote::Server;
use crate::store::remote::check::{Report, check};

const DAY: i64 = 86_400_000;

fn ask(database: &Database, server: Server, create: bool) -> Result<Report, Fault> {
    database.runtime.block_on(check(&server, NOW, NOW - 30 * DAY, create))
}

fn said(fault: Fault) -> String {
    format!("{fault:?}")
}

#[test]
fn a_database_that_writes_and_reads_is_fine() {
    let database = Database::start();
    let report = ask(&database, database.server(), false).unwrap();
    assert_eq!((report.fine.len(), report.warnings.as_slice()), (4, [].as_slice()));
    database.standin.tell(|told| told.retention_seconds = 7 * 86_400);
    let report = ask(&database, database.server(), false).unwrap();
    assert!(report.warnings[0].contains("keeps 7 days only"), "{:?}", report.warnings);
    database.standin.tell(|told| told.retention_seconds = 31 * 86_400);
    assert_eq!(ask(&database, database.server(), false).unwrap().warnings, [] as [String; 0]);
}

#[test]
fn a_missing_bucket_is_named_and_made_when_that_is_wished() {
    let database = Database::start();
    database.standin.tell(|told| told.buckets.clear());
    let fault = said(ask(&database, database.server(), false).unwrap_err());
    assert!(fault.contains("store.bucket") && fault.contains("--create-bucket"), "{fault}");
    let report = ask(&database, database.server(), true).unwrap();
    assert!(report.fine.iter().any(|fine| fine.contains("was made")), "{:?}", report.fine);
    assert!(ask(&database, database.server(), false).is_ok());
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_key() {
    let database = Database::start();
    let right = database.server();
    let wrong = [
        (Server { url: "http://127.0.0.1:1".to_owned(), ..right.clone() }, "store.url"),
        (Server { token: Secret::new("another"), ..right.clone() }, "store.token"),
        (Server { org: "desa".to_owned(), ..right.clone() }, "store.bucket"),
        (Server { database: "elsewhere".to_owned(), ..right.clone() }, "store.database"),
    ];
    for (server, key) in wrong {
        let fault = said(ask(&database, server, false).unwrap_err());
        assert!(fault.contains(key) && !fault.contains("another"), "{fault}");
    }
    // A server without buckets is written and read all the same: an influxd 1.x has no v2 API at all.
    let old = Server { url: format!("http://{}", database.influxd.address), ..right };
    let fault = said(ask(&database, old, false).unwrap_err());
    assert!(fault.contains("store.bucket") && fault.contains("404"), "{fault}");
    assert_eq!(database.influxd.write(format!("q value=1.0 {NOW}").as_bytes()).0, 204, "{DATABASE}");
}
