//! What the tests of the server share.

#![allow(dead_code)]

pub mod cluster;
pub mod raw_codec;
pub mod small_disk;

use std::net::SocketAddr;
use std::path::Path;

use server::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Loopback, and a port that the system chooses.
pub const ANY_PORT: &str = "127.0.0.1:0";

/// Configuration of a store without Raft.
pub fn standalone(path: &Path) -> Config {
    let mut config = Config::default();
    config.server.addr = ANY_PORT.to_owned();
    config.server.status_addr = ANY_PORT.to_owned();
    config.server.path = path.to_owned();
    config.server.standalone = true;
    config
}

/// Status and body of a page.
pub async fn http(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut socket = tokio::net::TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Numbers that look random and are always the same: a linear congruential generator.
pub struct Draws(pub u64);

impl Draws {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
