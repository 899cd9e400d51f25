//! `orgtrail serve` as a program, and a client that sends what it is given.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A service that runs until it is dropped.
pub(crate) struct Service {
    child: Child,
    /// Its host and port.
    pub(crate) address: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts `orgtrail serve`, whose configuration must listen on 127.0.0.1.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
            if let Some((_, rest)) = said[start..].split_once("SERVICE: http://") {
                break rest.split('/').next().unwrap().to_owned();
            }
        };
        // It must never wait for somebody to read its log.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address }
    }

    /// Sends a request with these headers, a line each, and reads the answer.
    pub(crate) fn send(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        let bytes = self.send_for_bytes(line, headers, body);
        (bytes.0, String::from_utf8_lossy(&bytes.1).into_owned())
    }

    /// The same, for a body that is no text.
    pub(crate) fn send_for_bytes(&self, line: &str, headers: &str, body: &str) -> (u16, Vec<u8>) {
        let mut stream = self.open(line, headers, body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        (head[9..12].parse().unwrap(), answer[end + 4..].to_vec())
    }

    /// Sends a request, and leaves the answer to be read.
    pub(crate) fn open(&self, line: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = if headers.to_lowercase().contains("host:") {
            String::new()
        } else {
            format!("host: {}\r\n", self.address)
        };
        let headers: Vec<String> = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let headers = headers.concat();
        let length = body.len();
        let head = format!("{line} HTTP/1.0\r\n{host}{headers}content-length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).unwrap();
        stream
    }

    /// Gets a document.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.send(&format!("GET {path}"), "", "");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Sends a document.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let kind = "content-type: application/json";
        let (status, text) = self.send(&format!("POST {path}"), kind, &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}
