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

use socket2::SockRef;

const LOOK: Duration = Duration::from_millis(20);

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Passes,
    /// Each piece of data waits for so long.
    Delays(Duration),
    /// Nothing arrives any more, and nobody is told.
    Silent,
    /// Connections end as by a good-bye, with data on their way; new ones end at once.
    Cut,
    /// Connections are reset (RST), with data on their way; new ones at once.
    Resets,
    /// Connections are reset, and nobody listens for new ones.
    Refuses,
}

impl Mode {
    fn ends_connections(self) -> bool {
        matches!(self, Self::Cut | Self::Resets | Self::Refuses)
    }

    fn resets(self) -> bool {
        matches!(self, Self::Resets | Self::Refuses)
    }
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
        let mut listener = Some(listen(port));
        let shared = Arc::new(Shared { mode: Mutex::new(Mode::Passes), end: AtomicBool::new(false) });
        let its = Arc::clone(&shared);
        thread::spawn(move || {
            while !its.ended() {
                if its.mode() == Mode::Refuses {
                    listener = None;
                    thread::sleep(LOOK);
                    continue;
                }
                match listener.get_or_insert_with(|| listen(port)).accept() {
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

fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Has the end of a connection be a reset: nothing is sent that was not sent, and no good-bye.
fn reset_at_end(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

fn connect(client: TcpStream, target: u16, shared: &Arc<Shared>) {
    let mode = shared.mode();
    if mode.resets() {
        reset_at_end(&client);
    }
    if mode.ends_connections() {
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
            drop(pass(&from, &to, &shared));
            if shared.mode().resets() {
                // Sent when the other direction, which ends too, lets its half go.
                [&from, &to].into_iter().for_each(reset_at_end);
                return;
            }
            drop(from.shutdown(Shutdown::Both));
            drop(to.shutdown(Shutdown::Both));
        });
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut data = vec![0; 64 << 10];
    while !shared.ended() {
        match shared.mode() {
            mode if mode.ends_connections() => return Ok(()),
            Mode::Silent => {
                thread::sleep(LOOK);
                continue;
            }
            _ => {}
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

/// The network of these tests does what its modes say.
#[test]
fn a_reset_is_a_reset_and_a_refusal_a_refusal() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = cu_log::testing::free_ports(1)[0];
    let proxy = Proxy::start(port, target.local_addr().unwrap().port());
    let connect = || TcpStream::connect(("127.0.0.1", port));
    let mut client = connect().unwrap();
    let (mut server, _) = target.accept().unwrap();
    client.write_all(b"there").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();

    proxy.set(Mode::Silent);
    thread::sleep(10 * LOOK);
    server.write_all(b"back").unwrap();
    client.set_read_timeout(Some(10 * LOOK)).unwrap();
    let silent = client.read(&mut [0; 4]).unwrap_err().kind();
    assert!(matches!(silent, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silent}");
    proxy.set(Mode::Resets);
    client.set_read_timeout(None).unwrap();
    for (stream, side) in [(&mut client, "client"), (&mut server, "server")] {
        let ended = stream.read(&mut [0; 4]).map_err(|error| error.kind());
        assert_eq!(ended, Err(ErrorKind::ConnectionReset), "{side}");
    }

    proxy.set(Mode::Refuses);
    thread::sleep(10 * LOOK);
    assert_eq!(connect().map(drop).map_err(|error| error.kind()), Err(ErrorKind::ConnectionRefused));
    proxy.set(Mode::Passes);
    thread::sleep(10 * LOOK);
    connect().unwrap();
}
