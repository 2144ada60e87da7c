//! Address at which no connection attempt gets an answer, as behind a firewall that drops packets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// Listener whose accept queue is full: the system answers no further SYN.
pub struct Silent {
    pub address: SocketAddr,
    _queued: Vec<TcpStream>,
    _listener: TcpListener,
}

impl Silent {
    pub async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            queued.push(connected.unwrap());
        }
        Self { address, _queued: queued, _listener: listener }
    }
}
