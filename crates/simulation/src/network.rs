//! The network between the members and their sequencer: one line for each member, which tests command.
//!
//! A line is a port on loopback behind which the sequencer is, wherever that may be at present. What goes over it is
//! delayed by chance, in both directions and for each connection on its own, so that what two members see of each other
//! comes in any order. A cut line breaks its connections and takes no new ones; a silent one carries nothing and says so
//! to nobody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::dice::Dice;
use crate::machine::Machine;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Cut,
    Silent,
}

/// What all lines have in common.
#[derive(Debug)]
struct Common {
    /// Where the sequencer is.
    target: watch::Sender<Option<SocketAddr>>,
    delay: watch::Sender<Duration>,
    dice: Dice,
    connections: AtomicU64,
}

/// All lines to a sequencer.
#[derive(Debug)]
pub struct Network {
    machine: Machine,
    common: Arc<Common>,
}

/// The line of one member.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Network {
    /// A network on which everything takes at most `delay` in each direction.
    #[must_use]
    pub fn new(seed: u64, delay: Duration) -> Self {
        let common = Common {
            target: watch::Sender::new(None),
            delay: watch::Sender::new(delay),
            dice: Dice::new(seed),
            connections: AtomicU64::new(0),
        };
        Self { machine: Machine::start("network"), common: Arc::new(common) }
    }

    /// The sequencer is there from now on; without an address it cannot be reached.
    pub fn lead_to(&self, sequencer: Option<SocketAddr>) {
        self.common.target.send_replace(sequencer);
    }

    /// What goes over a line from now on takes at most so long.
    pub fn set_delay(&self, delay: Duration) {
        self.common.delay.send_replace(delay);
    }

    /// A line that works.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn line(&self) -> Line {
        let listener = self.machine.run(TcpListener::bind(("127.0.0.1", 0))).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), watch::Sender::new(State::Up));
        self.machine.spawn(serve(listener, Arc::clone(&self.common), state.subscribe()));
        Line { address, state }
    }
}

impl Line {
    /// Where the member finds the sequencer.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections and takes no new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Carries nothing from now on, without anybody being told.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Works again.
    pub fn mend(&self) {
        self.state.send_replace(State::Up);
    }
}

async fn serve(listener: TcpListener, common: Arc<Common>, state: watch::Receiver<State>) {
    while let Ok((member, _)) = listener.accept().await {
        let target = *common.target.borrow();
        let is_cut = *state.borrow() == State::Cut;
        // Dropped, the connection is refused as well as it can be.
        let Some(target) = target.filter(|_| !is_cut) else { continue };
        tokio::spawn(carry(member, target, Arc::clone(&common), state.clone()));
    }
}

/// One connection, until either end closes it or the line is cut.
async fn carry(
    member: TcpStream,
    target: SocketAddr,
    common: Arc<Common>,
    mut state: watch::Receiver<State>,
) {
    let Ok(sequencer) = TcpStream::connect(target).await else { return };
    let (Ok(()), Ok(())) = (member.set_nodelay(true), sequencer.set_nodelay(true)) else { return };
    let number = common.connections.fetch_add(1, Ordering::Relaxed);
    let (from_member, to_member) = member.into_split();
    let (from_sequencer, to_sequencer) = sequencer.into_split();
    let dice = common.dice.branch(number);
    let delay = || common.delay.subscribe();
    tokio::select! {
        () = pump(from_member, to_sequencer, dice.branch(1), delay(), state.clone()) => {}
        () = pump(from_sequencer, to_member, dice.branch(2), delay(), state.clone()) => {}
        _ = async { state.wait_for(|state| *state == State::Cut).await.map(drop) } => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut dice: Dice,
    delay: watch::Receiver<Duration>,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let longest = *delay.borrow();
        if !longest.is_zero() {
            tokio::time::sleep(dice.at_most(longest)).await;
        }
        if state.wait_for(|state| *state != State::Silent).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each byte with the same byte.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.map(drop)
                });
            }
        });
        address
    }

    async fn says(stream: &mut TcpStream, byte: u8) -> Option<u8> {
        stream.write_u8(byte).await.ok()?;
        stream.read_u8().await.ok()
    }

    #[tokio::test]
    async fn a_line_carries_delays_falls_silent_and_breaks() {
        let network = Network::new(1, Duration::from_millis(2));
        let line = network.line().await;
        let mut early = TcpStream::connect(line.address).await.unwrap();
        assert_eq!(says(&mut early, 1).await, None, "nobody is there yet");
        network.lead_to(Some(echo().await));
        let mut stream = TcpStream::connect(line.address).await.unwrap();
        assert_eq!(says(&mut stream, 2).await, Some(2));

        line.silence();
        let silent = tokio::time::timeout(Duration::from_millis(50), says(&mut stream, 3)).await;
        assert!(silent.is_err(), "{silent:?}");
        line.mend();
        assert_eq!(stream.read_u8().await.unwrap(), 3, "it comes late and is not lost");

        line.cut();
        assert_eq!(says(&mut stream, 4).await, None);
        let mut refused = TcpStream::connect(line.address).await.unwrap();
        assert_eq!(says(&mut refused, 5).await, None);
        line.mend();
        let mut again = TcpStream::connect(line.address).await.unwrap();
        assert_eq!(says(&mut again, 6).await, Some(6));
    }
}
