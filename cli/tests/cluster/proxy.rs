//! A network between the processes and the broker that delays, goes silent, cuts and resets.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const LOOK: Duration = Duration::from_millis(20);

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Passes,
    /// Each piece of data waits for so long.
    Delays(Duration),
    /// Nothing arrives any more, and nobody is told.
    Silent,
    /// Connections end, with data on their way; new ones end at once.
    Cut,
}

struct Shared {
    mode: Mutex<Mode>,
    end: AtomicBool,
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }
}

/// The proxy; it ends when this is dropped.
pub struct Proxy(Arc<Shared>);

impl Proxy {
    /// Passes what comes to `port` on to `target`, a port of this machine too.
    pub fn start(port: u16, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared { mode: Mutex::new(Mode::Passes), end: AtomicBool::new(false) });
        let its = Arc::clone(&shared);
        thread::spawn(move || {
            while !its.ended() {
                match listener.accept() {
                    Ok((client, _)) => connect(client, target, &its),
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        Self(shared)
    }

    pub fn set(&self, mode: Mode) {
        *self.0.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

fn connect(client: TcpStream, target: u16, shared: &Arc<Shared>) {
    if shared.mode() == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
    for stream in [&client, &server] {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(LOOK)).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    for (from, to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // Data that was sent and is not read makes the end of a connection a reset.
            drop(pass(&from, &to, &shared));
            drop(from.shutdown(Shutdown::Both));
            drop(to.shutdown(Shutdown::Both));
        });
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut data = vec![0; 64 << 10];
    while !shared.ended() {
        match shared.mode() {
            Mode::Cut => return Ok(()),
            Mode::Silent => {
                thread::sleep(LOOK);
                continue;
            }
            Mode::Passes | Mode::Delays(_) => {}
        }
        let len = match from.read(&mut data) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        };
        if let Mode::Delays(delay) = shared.mode() {
            thread::sleep(delay);
        }
        to.write_all(&data[..len])?;
    }
    Ok(())
}
