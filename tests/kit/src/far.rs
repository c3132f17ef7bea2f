//! A server that is far away: a relay in front of it that adds a round trip to everything.
//!
//! It stands between a client and an FTP server in clear. On the control connection it replaces the
//! ports of 227 and 229 by ports of its own, so that data takes the same way. Each byte arrives half
//! a round trip after it was sent; and the first one not before the connection would have stood.
//!
//! ```text
//! client ──▶ reader ──(when it came, bytes)──▶ writer, half a round trip later ──▶ server
//!        ◀── writer ◀──────────────────────── reader, which replaces ports    ◀──
//! ```

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How many pieces of up to 64 KiB may be on their way in each direction.
const ON_THE_WAY: usize = 256;

/// How long a port for data waits for its client.
const DATA_LIMIT: Duration = Duration::from_secs(60);

/// The relay; it takes no new connections once it is dropped.
#[derive(Debug)]
pub struct Far {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
}

impl Far {
    /// A relay in front of `server`, on a free loopback port.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(server: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let gone = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&gone);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                thread::spawn(move || relay(client, server, round_trip, true));
            }
        });
        Ok(Self { address, gone })
    }

    /// Where clients find the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // The thread looks when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

type Sent = (Instant, Vec<u8>);

/// Carries one connection to its end.
fn relay(client: TcpStream, server: SocketAddr, round_trip: Duration, control: bool) {
    // Here the connection stands at once; over the distance it would take one round trip.
    let stands = Instant::now() + round_trip;
    let half = round_trip / 2;
    let Ok(far) = TcpStream::connect(server) else { return };
    for stream in [&client, &far] {
        let _ = stream.set_nodelay(true);
    }
    let (Ok(client_end), Ok(far_end)) = (client.try_clone(), far.try_clone()) else { return };
    let (to_server, from_client) = sync_channel(ON_THE_WAY);
    let (to_client, from_server) = sync_channel(ON_THE_WAY);
    let ports = control.then_some(Ports { server: server.ip(), round_trip });
    thread::spawn(move || read(client_end, &to_server, None));
    thread::spawn(move || read(far_end, &to_client, ports));
    thread::spawn(move || write(far, &from_client, stands, half));
    write(client, &from_server, stands, half);
}

fn read(mut from: TcpStream, to: &SyncSender<Sent>, ports: Option<Ports>) {
    let mut space = vec![0; 64 * 1024];
    let mut line = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut space) {
        let came = Instant::now();
        let Some(ports) = &ports else {
            if to.send((came, space[..count].to_vec())).is_err() {
                return;
            }
            continue;
        };
        line.extend_from_slice(&space[..count]);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = line.drain(..=end).collect();
            if to.send((came, ports.replace(whole))).is_err() {
                return;
            }
        }
    }
    // Nothing stands for the end.
    let _ = to.send((Instant::now(), line));
    let _ = to.send((Instant::now(), Vec::new()));
}

fn write(mut to: TcpStream, from: &Receiver<Sent>, stands: Instant, half: Duration) {
    for (sent, bytes) in from {
        let arrives = sent.max(stands) + half;
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The data ports of one control connection.
struct Ports {
    server: IpAddr,
    round_trip: Duration,
}

impl Ports {
    /// The same line of a reply, with a port of ours in place of the server's.
    fn replace(&self, line: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&line);
        let named = match text.get(..4) {
            Some("229 ") => extended_port(&text),
            Some("227 ") => passive_port(&text),
            _ => None,
        };
        let Some(port) = named.and_then(|port| self.open(port)) else { return line };
        let replaced = if text.starts_with("229") {
            format!("229 Entering Extended Passive Mode (|||{port}|)\r\n")
        } else {
            format!("227 Entering Passive Mode (127,0,0,1,{},{}).\r\n", port / 256, port % 256)
        };
        replaced.into_bytes()
    }

    /// A port of ours that leads to this one of the server's, for one connection.
    fn open(&self, port: u16) -> Option<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let ours = listener.local_addr().ok()?.port();
        let (server, round_trip) = (SocketAddr::new(self.server, port), self.round_trip);
        thread::spawn(move || {
            let wait = Timespec { tv_sec: i64::try_from(DATA_LIMIT.as_secs()).unwrap_or(60), tv_nsec: 0 };
            let mut ready = [PollFd::new(&listener, PollFlags::IN)];
            if matches!(poll(&mut ready, Some(&wait)), Ok(1..))
                && let Ok((client, _)) = listener.accept()
            {
                relay(client, server, round_trip, false);
            }
        });
        Some(ours)
    }
}

/// The port in `229 words (|||port|)` (RFC 2428, 3).
fn extended_port(reply: &str) -> Option<u16> {
    reply.split_once("(|||")?.1.split_once('|')?.0.parse().ok()
}

/// The port in `227 words (h1,h2,h3,h4,p1,p2)` (RFC 959, 4.2.1).
fn passive_port(reply: &str) -> Option<u16> {
    let inside = reply.split_once('(')?.1.split_once(')')?.0;
    let mut numbers = inside.split(',').skip(4).map(|number| number.trim().parse::<u8>());
    Some(u16::from(numbers.next()?.ok()?) * 256 + u16::from(numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(80);

    /// A server that names a data port for EPSV and for PASV and sends there what was last said.
    fn serve(mut control: TcpStream) -> std::io::Result<()> {
        control.write_all(b"220 ready\r\n")?;
        let mut lines = BufReader::new(control.try_clone()?);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let port = listener.local_addr()?.port();
            match line.trim_end() {
                "EPSV" => write!(control, "229 ok (|||{port}|)\r\n")?,
                _ => write!(control, "227 ok (10,0,0,1,{},{})\r\n", port / 256, port % 256)?,
            }
            listener.accept()?.0.write_all(line.as_bytes())?;
            write!(control, "226 done\r\n")?;
            line.clear();
        }
        Ok(())
    }

    #[test]
    fn control_and_data_take_the_long_way_and_arrive_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        thread::spawn(move || {
            for control in listener.incoming().flatten() {
                let _ = serve(control);
            }
        });
        let far = Far::start(server, ROUND_TRIP).unwrap();
        let begun = Instant::now();
        let mut control = TcpStream::connect(far.address()).unwrap();
        let mut lines = BufReader::new(control.try_clone().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        assert_eq!(next(), "220 ready");
        for command in ["EPSV", "PASV"] {
            write!(control, "{command}\r\n").unwrap();
            let reply = next();
            let port = extended_port(&reply).or_else(|| passive_port(&reply)).unwrap();
            let mut data = String::new();
            TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut data).unwrap();
            assert_eq!(data.trim_end(), command);
            assert_eq!(next(), "226 done");
        }
        // It can't have been faster: 1½ until the greeting, and 2½ for each command.
        assert!(begun.elapsed() >= ROUND_TRIP * 13 / 2, "{:?}", begun.elapsed());
    }

    #[test]
    fn ports_are_read_and_other_lines_left_alone() {
        assert_eq!(extended_port("229 Entering Extended Passive Mode (|||40001|)\r\n"), Some(40001));
        assert_eq!(passive_port("227 Entering Passive Mode (127,0,0,1,156,65).\r\n"), Some(40001));
        assert_eq!(passive_port("227 no\r\n"), None);
        let ports = Ports { server: Ipv4Addr::LOCALHOST.into(), round_trip: ROUND_TRIP };
        assert_eq!(ports.replace(b"226 (|||40001|)\r\n".to_vec(),), b"226 (|||40001|)\r\n");
    }
}
