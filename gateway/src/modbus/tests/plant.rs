#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]
//! Modbus devices for tests: tokio-modbus's own server over registers that a test sets, and moods.

use std::collections::{BTreeMap, HashMap};
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_modbus::server::{Service, rtu_over_tcp, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

/// What the devices hold, and how they behave. Clones are the same plant.
#[derive(Clone, Default)]
pub(crate) struct Plant(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By unit, function and address.
    registers: HashMap<(u8, u8), BTreeMap<u16, u16>>,
    moods: HashMap<u8, Mood>,
    /// Unit, function, address, count.
    asked: Vec<(u8, u8, u16, u16)>,
}

/// How a unit answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Silent,
    Refuses(ExceptionCode),
}

impl Plant {
    /// Sets registers (or coils, not 0 is on) of a unit's table, which is named by its function.
    pub(crate) fn set(&self, unit: u8, function: u8, address: u16, words: &[u16]) {
        let mut state = self.0.lock().unwrap();
        state.registers.entry((unit, function)).or_default().extend((address..).zip(words.iter().copied()));
    }

    pub(crate) fn mood(&self, unit: u8, mood: Option<Mood>) {
        let mut state = self.0.lock().unwrap();
        match mood {
            Some(mood) => state.moods.insert(unit, mood),
            None => state.moods.remove(&unit),
        };
    }

    /// What was asked since the last time: unit, function, address, count.
    pub(crate) fn asked(&self) -> Vec<(u8, u8, u16, u16)> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    /// Serves Modbus TCP until the test's runtime ends.
    pub(crate) fn serve(&self, listener: TcpListener) {
        let plant = self.clone();
        tokio::spawn(async move {
            let connected = |stream, _: SocketAddr| ready(Ok(Some((plant.clone(), stream))));
            let _ = tcp::Server::new(listener).serve(&connected, |_| {}).await;
        });
    }

    /// Serves serial frames on one line.
    pub(crate) async fn serve_line<T>(&self, line: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The server of serial frames wants a listener: one connection that is made only to hand it the line.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (plant, line) = (self.clone(), Mutex::new(Some(line)));
        tokio::spawn(async move {
            let connected =
                |_, _: SocketAddr| ready(Ok(line.lock().unwrap().take().map(|line| (plant.clone(), line))));
            let _ = rtu_over_tcp::Server::new(listener).serve(&connected, |_| {}).await;
        });
        tokio::net::TcpStream::connect(address).await.unwrap();
    }

    fn answer(&self, unit: u8, request: &Request<'_>) -> Option<Result<Response, ExceptionCode>> {
        let mut state = self.0.lock().unwrap();
        let (function, address, count) = match *request {
            Request::ReadCoils(address, count) => (1, address, count),
            Request::ReadDiscreteInputs(address, count) => (2, address, count),
            Request::ReadHoldingRegisters(address, count) => (3, address, count),
            Request::ReadInputRegisters(address, count) => (4, address, count),
            _ => panic!("the gateway wrote: {request:?}"),
        };
        state.asked.push((unit, function, address, count));
        match state.moods.get(&unit) {
            Some(Mood::Silent) => return None,
            Some(Mood::Refuses(code)) => return Some(Err(*code)),
            None => {}
        }
        let Some(table) = state.registers.get(&(unit, function)) else {
            return Some(Err(ExceptionCode::IllegalFunction));
        };
        let words: Option<Vec<u16>> = (address..address + count).map(|n| table.get(&n).copied()).collect();
        let Some(words) = words else { return Some(Err(ExceptionCode::IllegalDataAddress)) };
        let bits = words.iter().map(|word| *word != 0).collect();
        Some(Ok(match function {
            1 => Response::ReadCoils(bits),
            2 => Response::ReadDiscreteInputs(bits),
            3 => Response::ReadHoldingRegisters(words),
            _ => Response::ReadInputRegisters(words),
        }))
    }
}

impl Service for Plant {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        ready(self.answer(request.slave, &request.request).transpose())
    }
}
