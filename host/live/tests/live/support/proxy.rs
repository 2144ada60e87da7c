//! A way to the broker that can be blocked and cut, as by a router that fails.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;

pub struct Proxy {
    pub port: u16,
    way: watch::Sender<Way>,
}

#[derive(Clone, Copy)]
struct Way {
    open: bool,
    /// A connection is of the time when it was made, and ends with it.
    age: u32,
    connections: usize,
}

impl Proxy {
    /// An open way to that port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            way: watch::Sender::new(Way { open: true, age: 0, connections: 0 }),
        };
        let way = proxy.way.clone();
        tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                way.send_modify(|way| way.connections += 1);
                tokio::spawn(connection(device, port, way.subscribe()));
            }
        });
        proxy
    }

    /// Nothing gets through any more, either way, and nobody is told.
    pub fn block(&self) {
        self.way.send_modify(|way| way.open = false);
    }

    /// End all connections.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.age += 1);
    }

    /// Let through what comes from now on, and what was held up, if it was not cut.
    pub fn open(&self) {
        self.way.send_modify(|way| way.open = true);
    }

    /// Until so many connections have been made.
    pub async fn connections(&self, count: usize) {
        let mut way = self.way.subscribe();
        let made = way.wait_for(|way| way.connections >= count);
        tokio::time::timeout(super::TIMEOUT, made).await.expect("the connections did not come").unwrap();
    }
}

async fn connection(device: TcpStream, port: u16, mut way: watch::Receiver<Way>) {
    let age = way.borrow().age;
    let (out, back) = (way.clone(), way.clone());
    let carry = async {
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
        _ = carry => {}
        _ = way.wait_for(|way| way.age != age) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) -> Option<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        way.wait_for(|way| way.open).await.ok()?;
        to.write_all(&buffer[..length]).await.ok()?;
    }
}
