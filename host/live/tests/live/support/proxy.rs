//! TCP proxy in front of a broker that can block and cut connections, like a failing router.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;

pub struct Proxy {
    pub port: u16,
    state: watch::Sender<ProxyState>,
}

#[derive(Clone, Copy)]
struct ProxyState {
    open: bool,
    /// Incremented by a cut, which ends connections of earlier generations.
    generation: u32,
    connections: usize,
}

impl Proxy {
    /// Starts an open proxy to a port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: watch::Sender::new(ProxyState { open: true, generation: 0, connections: 0 }),
        };
        let state = proxy.state.clone();
        tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                state.send_modify(|state| state.connections += 1);
                tokio::spawn(connection(device, port, state.subscribe()));
            }
        });
        proxy
    }

    /// Holds back all bytes in both directions, without closing connections.
    pub fn block(&self) {
        self.state.send_modify(|state| state.open = false);
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Forwards bytes again, including those held back on connections that were not cut.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until `count` connections have been accepted.
    pub async fn connections(&self, count: usize) {
        let mut state = self.state.subscribe();
        let made = state.wait_for(|state| state.connections >= count);
        tokio::time::timeout(super::TIMEOUT, made).await.expect("timed out waiting for connections").unwrap();
    }
}

async fn connection(device: TcpStream, port: u16, mut state: watch::Receiver<ProxyState>) {
    let generation = state.borrow().generation;
    let (out, back) = (state.clone(), state.clone());
    let forward = async {
        let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        for stream in [&device, &broker] {
            stream.set_nodelay(true).ok()?;
        }
        let ((from_device, to_device), (from_broker, to_broker)) = (device.into_split(), broker.into_split());
        select! {
            end = pump(from_device, to_broker, out) => end,
            end = pump(from_broker, to_device, back) => end,
        }
    };
    select! {
        _ = forward => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<ProxyState>,
) -> Option<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        state.wait_for(|state| state.open).await.ok()?;
        to.write_all(&buffer[..length]).await.ok()?;
    }
}
