//! Clients: the usual one, and bare sockets for what the usual one would not do.

use std::net::SocketAddr;

use http::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CANARY, soon};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = soon("the end of the answer", response.bytes()).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let shown = format!("{headers:?} {body}");
        assert!(!shown.contains(CANARY), "the key was answered: {shown}");
        Self { status, headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// `error.code`.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let error = &json["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{json}");
        assert!(error.get("param").is_some(), "{json}");
        error["code"].as_str().unwrap().to_owned()
    }

    /// A header's text, or `-` if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("-", |value| value.to_str().unwrap())
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        let value = self.header(name);
        value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
    }
}

/// A connection to write bytes on as they are.
#[derive(Debug)]
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `end` was read.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let byte = soon(end, self.0.read_u8()).await;
            text.push(byte.unwrap_or_else(|error| panic!("{error} after {text:?}")).into());
        }
        text
    }

    /// Reads until the connection is closed, by whatever means.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut text = Vec::new();
        // A reset is an end like any other here.
        let _ = soon("the end of the connection", self.0.read_to_end(&mut text)).await;
        String::from_utf8_lossy(&text).into_owned()
    }
}
