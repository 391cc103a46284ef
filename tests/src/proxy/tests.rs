use super::{Fault, Proxy};
use crate::clock::wait_until;
use crate::ports;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

fn pair() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind(ports::free()).unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap());
    let client = TcpStream::connect(proxy.address()).unwrap();
    let (server, _) = listener.accept().unwrap();
    // The target hears of the connection before the proxy has a link to act on.
    wait_until("the link", LIMIT, || proxy.open_links() == 1);
    for side in [&client, &server] {
        side.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    }
    (proxy, client, server)
}

fn read(mut from: &TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = [0; 64];
    from.read(&mut buffer).map(|count| buffer[..count].to_vec()).map_err(|error| error.kind())
}

#[test]
fn bytes_pass_both_ways_and_a_cut_ends_both_sides() {
    let (proxy, mut client, mut server) = pair();
    client.write_all(b"up").unwrap();
    assert_eq!(read(&server), Ok(b"up".to_vec()));
    server.write_all(b"down").unwrap();
    assert_eq!(read(&client), Ok(b"down".to_vec()));
    proxy.cut();
    assert_eq!(read(&client), Ok(Vec::new()));
    assert_eq!(read(&server), Ok(Vec::new()));
    let refused = TcpStream::connect(proxy.address()).unwrap();
    refused.set_read_timeout(Some(LIMIT)).unwrap();
    assert!(matches!(read(&refused), Ok(bytes) if bytes.is_empty()));
}

#[test]
fn a_blackhole_holds_bytes_back_until_it_is_healed() {
    let (proxy, mut client, server) = pair();
    proxy.set(Fault::Blackhole);
    client.write_all(b"late").unwrap();
    assert!(read(&server).is_err());
    proxy.set(Fault::Pass);
    server.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(read(&server), Ok(b"late".to_vec()));
}

#[test]
fn a_reset_in_the_middle_lets_the_first_bytes_through() {
    let (proxy, mut client, server) = pair();
    proxy.reset_after(3);
    client.write_all(b"abcdef").unwrap();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let got = read(&server);
    assert!(got == Ok(b"abc".to_vec()) || got == Err(ErrorKind::ConnectionReset), "{got:?}");
    assert_eq!(read(&client), Err(ErrorKind::ConnectionReset));
    assert!(proxy.has_reset());
    wait_until("the link to be gone", LIMIT, || proxy.open_links() == 0);
}

#[test]
fn a_half_close_ends_only_the_direction_to_the_target() {
    let (proxy, client, mut server) = pair();
    proxy.half_close();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(read(&server), Ok(Vec::new()));
    server.write_all(b"still here").unwrap();
    assert_eq!(read(&client), Ok(b"still here".to_vec()));
}
