//! A database that is reached by TLS only: who has not proven who it is gets neither a reading nor the token.

use pantau_databases::standin::Fault;
use pantau_databases::tls::OTHER_CA;

use super::support::{Database, NOW, commit};
use crate::store::remote::check::check;
use crate::store::remote::{Server, trust};

const TWO: [(u32, i64, f64); 2] = [(0, NOW, 1.0), (0, NOW + 1, 2.0)];

#[test]
fn readings_are_written_and_read_through_tls() {
    let mut database = Database::start_tls();
    let writer = database.writer();
    assert_eq!(database.write(&writer, commit(0, &TWO), &["dev/q"]), Ok(vec![]));
    assert_eq!(database.values("dev/q"), [(NOW, 1.0), (NOW + 1, 2.0)]);
    let server = database.server();
    let asked = check(&server, NOW, NOW - 1, false);
    let report = database.runtime.block_on(asked).unwrap();
    assert_eq!((report.fine.len(), report.warnings.as_slice()), (4, [].as_slice()));
    // What breaks a connection breaks one with TLS as well, and it is made anew.
    database.standin.fail(&[Fault::Cut, Fault::TakenAndCut]);
    assert_eq!(database.write(&writer, commit(2, &[(0, NOW + 2, 3.0)]), &["dev/q"]), Ok(vec![]));
    database.standin.kill();
    database.standin.restart();
    assert_eq!(database.write(&writer, commit(3, &[(0, NOW + 3, 4.0)]), &["dev/q"]), Ok(vec![]));
    assert_eq!(database.values("dev/q").len(), 4);
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_nothing() {
    let database = Database::start_tls();
    let right = database.server();
    let by_name = right.url.replace("127.0.0.1", "localhost");
    for (server, said) in [
        (Server { ca: Vec::new(), ..right.clone() }, "UnknownIssuer"),
        (Server { ca: OTHER_CA.to_vec(), ..right.clone() }, "UnknownIssuer"),
        (Server { url: by_name, ..right.clone() }, "NotValidForName"),
    ] {
        let mut writer = database.writer();
        (writer.client, writer.bounds.patience) =
            (server.writing().unwrap(), std::time::Duration::from_millis(300));
        let error = database.write(&writer, commit(0, &TWO), &["dev/q"]).unwrap_err();
        assert!(error.contains("certificate") && error.contains(said), "{error}");
        let fault = database.runtime.block_on(check(&server, NOW, NOW - 1, false)).unwrap_err();
        let fault = format!("{fault:?}");
        assert!(fault.contains("store.ca_file") && fault.contains(said), "{fault}");
    }
    // Nor does one that sends elsewhere, where the token would go along.
    database.standin.fail(&[Fault::Status(307)]);
    let error = database.write(&database.writer(), commit(0, &TWO), &["dev/q"]).unwrap_err();
    assert!(error.starts_with("307") && error.contains("store.url"), "{error}");
    assert_eq!(database.standin.tell(|told| (told.requests, told.taken)), (1, 0));
}

#[test]
fn what_is_no_certificate_is_refused_before_it_is_used() {
    for none in ["", "\n", "not PEM"] {
        assert!(trust::check(none.as_bytes()).unwrap_err().contains("no certificate"));
    }
    let bent = String::from_utf8(OTHER_CA.to_vec()).unwrap().replace("MIIB", "AAAA");
    assert!(trust::check(bent.as_bytes()).is_err());
    assert_eq!(trust::check(&[OTHER_CA, OTHER_CA].concat()), Ok(()));
}
